#!/usr/bin/env python3
"""Writes what Hugging Face transformers computes in FP32 from our GGUF files, for logits_test.cpp.

    make_logits_goldens.py MODELS_DIR OUT_DIR

needs torch, transformers, gguf and accelerate, and about 3 GB of memory for the larger model. For
every position of a few texts (English, Chinese, code) it stores the 16 most likely next tokens.

Format of logits_goldens.NAME.bin, little-endian: 8 bytes "TRPLGLD1"; u32 number of sequences; then
for each sequence u32 n, i32[n] token ids, and n times 16 pairs (i32 id, f32 natural
log-probability), most likely first.
"""

import pathlib
import struct
import sys

import torch
import transformers

MODELS = {
    "smollm2": "SmolLM2-135M-Instruct.Q4_1.gguf",
    "qwen2.5": "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf",
}
TOP = 16

# Lewis Carroll, "Alice's Adventures in Wonderland" (1865), public domain.
ENGLISH = """\
Alice was beginning to get very tired of sitting by her sister on the bank, and of having \
nothing to do: once or twice she had peeped into the book her sister was reading, but it had no \
pictures or conversations in it, "and what is the use of a book," thought Alice "without \
pictures or conversations?"

So she was considering in her own mind (as well as she could, for the hot day made her feel \
very sleepy and stupid), whether the pleasure of making a daisy-chain would be worth the \
trouble of getting up and picking the daisies, when suddenly a White Rabbit with pink eyes ran \
close by her.

There was nothing so very remarkable in that; nor did Alice think it so very much out of the \
way to hear the Rabbit say to itself, "Oh dear! Oh dear! I shall be late!" (when she thought it \
over afterwards, it occurred to her that she ought to have wondered at this, but at the time it \
all seemed quite natural); but when the Rabbit actually took a watch out of its \
waistcoat-pocket, and looked at it, and then hurried on, Alice started to her feet, for it \
flashed across her mind that she had never before seen a rabbit with either a waistcoat-pocket, \
or a watch to take out of it, and burning with curiosity, she ran across the field after it, \
and fortunately was just in time to see it pop down a large rabbit-hole under the hedge.
"""

# Tao Yuanming, "The Peach Blossom Spring" (421), public domain.
CHINESE = """晋太元中，武陵人捕鱼为业。缘溪行，忘路之远近。忽逢桃花林，夹岸数百步，中无杂树，芳草鲜美，落英缤纷。\
渔人甚异之，复前行，欲穷其林。林尽水源，便得一山，山有小口，仿佛若有光。便舍船，从口入。初极狭，才通人。复行数十步，\
豁然开朗。土地平旷，屋舍俨然，有良田、美池、桑竹之属。阡陌交通，鸡犬相闻。其中往来种作，男女衣着，悉如外人。\
黄发垂髫，并怡然自乐。见渔人，乃大惊，问所从来。具答之。便要还家，设酒杀鸡作食。村中闻有此人，咸来问讯。"""

CODE = '''"""Shortest paths on a grid, with walls."""
import heapq


def neighbours(cell, walls, width, height):
    row, column = cell
    for next_row, next_column in ((row - 1, column), (row + 1, column), (row, column - 1), \
(row, column + 1)):
        inside = 0 <= next_row < height and 0 <= next_column < width
        if inside and (next_row, next_column) not in walls:
            yield next_row, next_column


def shortest_path(start, goal, walls, width, height):
    """Returns the cells from start to goal, or an empty list when there is no way."""
    queue = [(0, start)]
    came_from = {start: None}
    cost = {start: 0}
    while queue:
        _, cell = heapq.heappop(queue)
        if cell == goal:
            break
        for neighbour in neighbours(cell, walls, width, height):
            new_cost = cost[cell] + 1
            if neighbour not in cost or new_cost < cost[neighbour]:
                cost[neighbour] = new_cost
                came_from[neighbour] = cell
                distance = abs(goal[0] - neighbour[0]) + abs(goal[1] - neighbour[1])
                heapq.heappush(queue, (new_cost + distance, neighbour))
    if goal not in came_from:
        return []
    path = [goal]
    while path[-1] != start:
        path.append(came_from[path[-1]])
    return path[::-1]
'''

CHAT = """<|im_start|>system
You are a helpful assistant.<|im_end|>
<|im_start|>user
How do ships find their way at night?<|im_end|>
<|im_start|>assistant
Lighthouses, stars and satellites: each tells a crew where the ship is, and charts tell where it \
may go.<|im_end|>
"""


def golden_of(model, tokens):
    """Returns the bytes of one sequence. tokens: list of n ids."""
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0].float()  # [n, vocab]
    top = torch.log_softmax(logits.double(), dim=-1).topk(TOP, dim=-1)
    out = [struct.pack(f"<I{len(tokens)}i", len(tokens), *tokens)]
    for ids, logprobs in zip(top.indices.tolist(), top.values.tolist()):
        out.extend(struct.pack("<if", i, p) for i, p in zip(ids, logprobs))
    return b"".join(out)


def main():
    models_dir, out_dir = map(pathlib.Path, sys.argv[1:3])
    torch.set_num_threads(2)
    for name, file in MODELS.items():
        tokenizer = transformers.AutoTokenizer.from_pretrained(models_dir, gguf_file=file)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            models_dir, gguf_file=file, torch_dtype=torch.float32)
        model.eval()
        # The last one is long: it crosses two of the engine's splits of 256 keys.
        texts = [CHINESE, CODE, CHAT, ENGLISH + ENGLISH[:200] + CODE[:400]]
        sequences = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
        body = b"".join(golden_of(model, tokens) for tokens in sequences)
        target = out_dir / f"logits_goldens.{name}.bin"
        target.write_bytes(b"TRPLGLD1" + struct.pack("<I", len(sequences)) + body)
        print(f"{target}: {[len(tokens) for tokens in sequences]} positions")


if __name__ == "__main__":
    main()
