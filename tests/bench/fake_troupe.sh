#!/usr/bin/env bash
# Answers like `troupe bench --json`: 20 tokens/s for each stream. It has no q4. (A shell, because
# the tests start it a hundred times.)
while [ $# -gt 0 ]; do
  case $1 in
    --precision) precision=$2 ;;
    --batch) streams=$2 ;;
  esac
  shift
done
if [ "$precision" = q4 ]; then
  echo 'troupe: --precision q4 is planned' >&2
  exit 1
fi
cat <<JSON
{"numerics_id": "fake", "machine": {"cpu": "a fake CPU"}, "results": [{
  "batch": $streams, "prefill_tokens_per_s": 3000.0, "decode_tokens_per_s": $((20 * streams)),
  "kv": "bf16", "packed_read_share": 0.8, "peak_rss_bytes": $((streams << 20)),
  "calibration": {"amx_int8_tops": 5.0, "memory_read_gb_per_s": 25.0}}]}
JSON
