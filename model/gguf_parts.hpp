// A model in several GGUF files, NAME-00001-of-00003.gguf and so on: what they are called and how
// they make one model. Keys: `split.no` from 0, `split.count`, and `split.tensors.count` of all
// parts together (github.com/ggml-org/llama.cpp/blob/master/tools/gguf-split/README.md).
#pragma once

#include <string>
#include <vector>

#include "model/gguf_reader.hpp"

namespace troupe::model {

// The files of the model that the file `name` with this `metadata` belongs to, in order: itself
// alone where it is whole. `opened` is where a link `name` has led to: the others lie beside that
// when the link's own name is not a part's. Throws config::UserError when neither is.
std::vector<std::string> part_names(const Metadata& metadata,
                                    const std::string& name,
                                    const std::string& opened);

// The metadata of the first part with the tensors of all. Throws config::UserError, one line that
// names the part, when one is not what its place asks for.
GgufContents join_parts(std::vector<GgufContents> parts, const std::vector<std::string>& names);

}  // namespace troupe::model
