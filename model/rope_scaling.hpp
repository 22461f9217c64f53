// Reads how a model's rotary embedding is based and stretched.
#pragma once

namespace troupe::model {

class ArchitectureKeys;
class ModelFile;
struct Architecture;

// Sets `rope_base` and `rope_scaling`; dynamic scaling sets `context_max` too. Expects the shape of
// heads and the context to be read. Throws config::UserError for what is not supported.
void read_rope(const ModelFile& file, const ArchitectureKeys& keys, Architecture& architecture);

}  // namespace troupe::model
