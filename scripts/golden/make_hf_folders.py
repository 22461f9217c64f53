#!/usr/bin/env python3
"""Writes tiny random models as Hugging Face folders, with what transformers and tokenizers make of
them, for hf_golden_test.cpp.

    make_hf_folders.py OUT_DIR

needs torch, transformers, tokenizers and safetensors. Each folder holds what `save_pretrained`
writes and goldens.json: {"texts": [{text, ids}], "tokens": [n ids], "logits": [n][vocab]}, the
logits computed in FP32 from the saved weights.
"""

import json
import pathlib
import shutil
import sys

import tokenizers
import torch
import transformers
from make_logits_goldens import CHINESE, CODE, ENGLISH
from tokenizers import Regex, decoders, models, pre_tokenizers, processors, trainers

VOCAB = 400
WIDTHS = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "vocab_size": VOCAB + 8,  # more rows than tokens, as published models have
    "bos_token_id": 0,
    "eos_token_id": 2,
    "initializer_range": 0.3,  # logits that differ enough to compare
}
QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = [
    "",
    " ",
    "Hello, world!",
    "She had peeped into the book her sister was reading.",
    "I'll say it's 1234567 years, don't you think?",
    "a  b   c\n\n\td \r\n e   ",
    CHINESE[:60],
    CODE[:200],
    "naïve café ﬁ \u00a0 \u2003x \U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "<s>as one<|end|>, and <tool> in text</s>",
    "\x00\x01\x7f control",
    "ÀÉÎ Ωμέγα Привет עברית العربية हिन्दी ไทย 한국어 日本語",
]


def byte_level_tokenizer(pre_tokenizer):
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB - 1,
        special_tokens=["<s>", "<|end|>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([ENGLISH, CODE], trainer)
    tokenizer.add_tokens([tokenizers.AddedToken("<tool>", special=False, normalized=False)])
    return tokenizer


def write(folder, tokenizer, model, dtype, template, **options):
    shutil.rmtree(folder, ignore_errors=True)
    model = model.to(dtype)
    model.generation_config.eos_token_id = [2, 1]
    model.save_pretrained(folder, **options)
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", chat_template=template
    )
    fast.save_pretrained(folder)
    # Loaded again: the frequencies of RoPE were rounded with the weights.
    model = type(model).from_pretrained(folder, dtype=torch.float32).eval()
    tokens = tokenizer.encode(TEXTS[3], add_special_tokens=False).ids[:10]
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    goldens = {
        "texts": [
            {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids}
            for text in TEXTS
        ],
        "tokens": tokens,
        "logits": [[round(value, 5) for value in row] for row in logits.tolist()],
    }
    (folder / "goldens.json").write_text(json.dumps(goldens) + "\n")


def randomize(model):
    """Norms and biases start as ones and zeros, which would hide that they are read."""
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, mean=0.0 if name.endswith("bias") else 1.0, std=0.2)
    return model


def write_llama(folder):
    """BF16 in three shards, tied, a template in a file, <s> before every text."""
    pre = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(False)]
    )
    tokenizer = byte_level_tokenizer(pre)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 0)]
    )
    config = transformers.LlamaConfig(**WIDTHS, tie_word_embeddings=True, rope_theta=5000.0)
    model = randomize(transformers.LlamaForCausalLM(config))
    template = "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
    write(folder, tokenizer, model, torch.bfloat16, template, max_shard_size="70KB")


def write_qwen2(folder):
    """F16 in one file, a head of its own, biases; files as transformers 4 wrote them: merges as
    lines, the base of RoPE in config.json, the template in tokenizer_config.json."""
    pre = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    config = transformers.Qwen2Config(**WIDTHS, tie_word_embeddings=False, rope_theta=20000.0)
    model = randomize(transformers.Qwen2ForCausalLM(config))
    template = "{% for m in messages %}<|end|>{{ m.content }}{% endfor %}"
    write(folder, byte_level_tokenizer(pre), model, torch.float16, template)
    (folder / "chat_template.jinja").unlink()
    edit(folder / "tokenizer_config.json", lambda f: f.update(chat_template=template))
    edit(
        folder / "tokenizer.json",
        lambda f: f["model"].update(merges=[" ".join(pair) for pair in f["model"]["merges"]]),
    )

    def as_before(fields):
        fields["rope_theta"] = fields.pop("rope_parameters")["rope_theta"]

    edit(folder / "config.json", as_before)


def edit(path, change):
    fields = json.loads(path.read_text())
    change(fields)
    path.write_text(json.dumps(fields, ensure_ascii=False, indent=1) + "\n")


def main():
    out = pathlib.Path(sys.argv[1])
    torch.manual_seed(7)
    write_llama(out / "llama")
    write_qwen2(out / "qwen2")


if __name__ == "__main__":
    main()
