"""The rules of the tree, as tables: docs/architecture.md says why. tidy_test.py enforces them."""

# The stages in the order of a request's flow. They meet only in messages/.
STAGES = ["gateway", "preprocess", "dispatch", "batch", "infer", "aggregate"]

# Folder → the folders of ours whose headers it may include besides its own. A stage is a folder of
# its own under `actors/`, whose list leaves the other stages out.
LAYERS = {
    "config/": [],
    "messages/": [],
    "kernels/": [],
    "jinja/": [],
    "model/": ["kernels/", "config/", "jinja/"],
    "actors/": [
        "messages/",
        "config/",
        "model/",
        "kernels/",
        "actors/link/",
        "actors/observe/",
        "actors/supervision/",
    ],
    "apps/": ["actors/", "messages/", "config/", "model/", "kernels/"],
    "bench/": ["actors/", "messages/", "config/", "model/", "kernels/", "apps/"],
    "tests/": [
        "actors/",
        "messages/",
        "config/",
        "model/",
        "kernels/",
        "jinja/",
        "apps/",
        "bench/",
    ],
}
# How a broken invariant and a user's mistake are told is the same everywhere.
INCLUDED_BY_ALL = ["config/check.hpp", "config/user_error.hpp"]

# Library header (regular expression) → paths that may include it (regular expressions).
LIBRARIES = {
    r"caf/": [r"actors/.*_actor\.[hc]pp", r"messages/type_ids\.hpp", r"apps/", r"tests/"],
    r"zmq": [r"actors/link/", r"actors/gateway/zmq_", r"tests/"],
    r"nlohmann/": [
        r"actors/(gateway|observe|supervision)/",
        r"model/",  # file formats that are JSON
        r"apps/",
        r"tests/",
    ],
    r"boost/(beast|asio)/": [r"actors/gateway/", r"apps/", r"tests/"],
    r"boost/test/": [r"tests/"],
    r"prometheus/": [r"actors/observe/", r"tests/"],
    r"toml\+\+/": [r"config/"],
    r"CLI/": [r"apps/"],
    r"pcre2": [r"model/"],
    r"openssl/": [r"model/sha256\.cpp"],
    r"msgpack": [r"messages/", r"tests/"],
    r"(immintrin|x86intrin)\.h": [
        r"kernels/cpu/",
        r"kernels/thread_pool\.cpp",  # a pause instruction
        r"apps/calibration_(amx|avx2|avx512|avx_vnni|bf16|vnni)\.cpp",  # measure the machine
        r"tests/kernels/emulated_tiles\.hpp",  # takes the place of some of it
    ],
    r"(cuda|cublas|nvml|cute/|cutlass/)": [r"kernels/cuda/"],
}

# Lines. The aim is far below (60 a header, 150 a source, 200 a kernel, 10 a function, 5 a handler);
# these are where reading stops being easy.
HEADER_LINES_MAX = 200
SOURCE_LINES_MAX = 400
KERNEL_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
HANDLER_LINES_MAX = 10
COLUMNS_MAX = 100
