// A tiny model whose weights are packed, and where.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "kernels/beating_device.hpp"
#include "model/model_file.hpp"
#include "model/packed_weights.hpp"
#include "tests/model/tiny_model.hpp"

namespace troupe::model::packing {

namespace fs = std::filesystem;

// A folder that goes away with its contents.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "troupe-packed-XXXXXX").string();
    path = mkdtemp(name.data());
  }

  ~Folder() { fs::remove_all(path); }

  fs::path path;
};

// A tiny model and what opening its packed weights says.
struct Fixture {
  explicit Fixture(const tests::TinyModel& model = {}, int threads = 2)
      : bytes(model.build()),
        file(ModelFile::parse(bytes, "tiny.gguf")),
        architecture(read_architecture(file)),
        device(std::make_unique<kernels::BeatingDevice>(kernels::make_cpu_device(threads),
                                                        [this] { ++beats; })),
        weights(read_weights(file, architecture, *device)) {}

  PackedWeights open() {
    said.clear();
    noted.clear();
    return open_packed_weights(file,
                               architecture,
                               weights,
                               *device,
                               {.precision = Precision::kDefault,
                                .packed_file = packed,
                                .packed_memory = packed_memory,
                                .progress =
                                    [this](const auto& text) {
                                      said.push_back(text);
                                      if (on_progress) on_progress();
                                    },
                                .notice = [this](const auto& text) { noted.push_back(text); },
                                .on_waiting = [this](bool begins) { waiting.push_back(begins); },
                                .on_part = [this] { ++parts; }});
  }

  bool packed_anew() const { return !said.empty(); }

  int beats = 0;  // of the device
  int parts = 0;  // what on_part heard
  Folder folder;
  fs::path packed = folder.path / "tiny.gguf.default.troupe";
  fs::path packed_memory;
  std::vector<std::byte> bytes;
  ModelFile file;
  Architecture architecture;
  std::unique_ptr<kernels::Device> device;
  Weights weights;
  std::vector<std::string> said;
  std::vector<std::string> noted;
  std::vector<bool> waiting;  // what on_waiting heard
  std::function<void()> on_progress;
};

inline std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace troupe::model::packing
