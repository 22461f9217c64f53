#include "apps/model_verify.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "apps/file_checksums.hpp"
#include "apps/interrupt.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "config/user_error.hpp"
#include "kernels/device.hpp"
#include "model/architecture.hpp"
#include "model/chat_template.hpp"
#include "model/gguf_cursor.hpp"
#include "model/model_file.hpp"
#include "model/tensor_check.hpp"
#include "model/tokenizer.hpp"
#include "model/weights.hpp"

namespace troupe::apps {
namespace {

using config::UserError;
using Json = nlohmann::ordered_json;

struct Flags {
  std::string file;
  bool json = false;
};

struct Findings {
  std::vector<FileChecksum> files;
  std::uint64_t tensors = 0;  // that were read whole
  std::vector<std::string> problems;
};

void check_files(const model::ModelFile& file, Findings& findings) {
  findings.files = file_checksums(file, [] { return !interrupted(); });
  for (const FileChecksum& each : findings.files) {
    if (!each.stated || *each.stated == each.sha256) continue;
    findings.problems.push_back(
        each.stated->empty() ? each.file + ".sha256: does not begin with 64 hexadecimal digits"
                             : each.file + ": has the SHA-256 " + each.sha256 + ", not " +
                                   *each.stated + " as the .sha256 beside it says");
  }
}

void check_tensors(const model::ModelFile& file,
                   kernels::Device& device,
                   Progress& progress,
                   Findings& findings) {
  for (const model::TensorInfo& tensor : file.tensors()) {
    if (interrupted()) return;
    const std::string name = "tensor " + model::in_quotes(tensor.name);
    progress.update("reading " + name);
    if (kernels::block_shape(tensor.type).values == 0) {
      findings.problems.push_back(name + " has a type that is not supported, " +
                                  std::string(kernels::type_name(tensor.type)));
      continue;
    }
    const std::uint64_t damaged = model::count_not_finite(tensor, device);
    if (damaged > 0)
      findings.problems.push_back(name + " has " + std::to_string(damaged) +
                                  " values that are not finite");
    ++findings.tensors;
  }
}

// What only reading by meaning shows: sizes that belong together, names, tables, the template.
template <typename Read>
void check_reading(Findings& findings, const Read& read) {
  try {
    read();
  } catch (const UserError& error) {
    findings.problems.emplace_back(error.what());
  }
}

Findings verify(const model::ModelFile& file, Progress& progress) {
  Findings findings;
  const auto device = kernels::make_cpu_device(0, kernels::CpuBackend::kAuto);
  check_reading(findings, [&] {
    const model::Architecture architecture = model::read_architecture(file);
    model::read_weights(file, architecture, *device);
  });
  check_reading(findings, [&] { const model::Tokenizer tokenizer(file); });
  check_reading(findings, [&] {
    if (file.find_string("tokenizer.chat_template")) const model::ChatTemplate parsed(file);
  });
  progress.update("computing SHA-256");
  check_files(file, findings);
  check_tensors(file, *device, progress, findings);
  return findings;
}

void print_json(const Findings& findings) {
  Json files = Json::array();
  for (const FileChecksum& each : findings.files) {
    files.push_back({{"file", each.file},
                     {"bytes", each.bytes},
                     {"sha256", each.sha256},
                     {"sha256_stated", each.stated ? Json(*each.stated) : Json()}});
  }
  const Json json{{"ok", findings.problems.empty()},
                  {"files", std::move(files)},
                  {"tensors", findings.tensors},
                  {"problems", findings.problems}};
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

void print_lines(const Findings& findings) {
  for (const FileChecksum& each : findings.files) {
    const bool agrees = each.stated == each.sha256;
    std::printf("%s  %s  %s\n",
                each.sha256.c_str(),
                each.file.c_str(),
                agrees        ? "(as stated)"
                : each.stated ? "(NOT as stated)"
                              : "(none stated)");
  }
  std::printf("%llu tensors read\n", static_cast<unsigned long long>(findings.tensors));
  for (const std::string& problem : findings.problems) std::printf("%s\n", problem.c_str());
  std::printf("%s\n",
              findings.problems.empty() ? "all is well" : "NOT well: fetch the model again");
}

int run_verify(const Flags& flags) {
  watch_interrupts();
  Progress progress("reading " + flags.file);
  const Findings findings = verify(model::ModelFile::open(flags.file), progress);
  progress.finish();
  if (interrupted()) return kInterruptedExitCode;
  (flags.json ? print_json : print_lines)(findings);
  finish_output();
  return findings.problems.empty() ? 0 : 1;
}

}  // namespace

void add_model_verify_command(CLI::App& group, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = group.add_subcommand(
      "verify",
      "Reads every byte of a model's weights: directory, shapes, tokenizer and template, whether "
      "all values "
      "are finite, and its SHA-256, which is compared where a FILE.sha256 stands beside it. Exit "
      "code 0 only when all is well.");
  command->add_option("file", flags->file, "GGUF file or folder")->type_name("FILE")->required();
  command->add_flag("--json", flags->json, "one object: ok, files, tensors, problems");
  command->callback([flags, &exit_code] { exit_code = run_verify(*flags); });
}

}  // namespace troupe::apps
