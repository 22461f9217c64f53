// How fast one core turns text into tokens. Usage: tokenizer_speed MODEL TEXT…
//
// For each TEXT, its lines in another order again and again up to 16 MB, so that no cache of whole
// texts helps; then 1 MB of one repeated character of several kinds. The best of three counts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "model/model_file.hpp"
#include "model/tokenizer.hpp"

namespace {

using troupe::model::ModelFile;
using troupe::model::SpecialTokens;
using troupe::model::Tokenizer;

constexpr std::size_t kTextBytes = std::size_t{16} << 20;
constexpr std::size_t kRunBytes = std::size_t{1} << 20;

std::string shuffled(const char* path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line + "\n");
  std::string text;
  std::mt19937 bits(1);
  while (!lines.empty() && text.size() < kTextBytes) {
    std::shuffle(lines.begin(), lines.end(), bits);
    for (const std::string& line : lines) text += line;
  }
  return text;
}

void measure(const Tokenizer& tokenizer, const std::string& name, const std::string& text) {
  double best = 1e9;
  std::size_t tokens = 0;
  for (int round = 0; round < 3; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    tokens = tokenizer.encode(text, SpecialTokens::kParse).size();
    const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
    best = std::min(best, taken.count());
  }
  const double megabytes = static_cast<double>(text.size()) / 1e6;
  std::printf("%-40s %6.1f MB %9zu tokens %8.3f s %7.1f MB/s\n",
              name.c_str(),
              megabytes,
              tokens,
              best,
              megabytes / best);
}

void run(const std::vector<const char*>& arguments) {
  const Tokenizer tokenizer(ModelFile::open(arguments.at(0)));
  for (std::size_t i = 1; i < arguments.size(); ++i)
    measure(tokenizer, arguments[i], shuffled(arguments[i]));
  for (const char* character : {"a", " ", "\n", "1", "!", "é", "漢", "😀", "\x80"}) {
    std::string text;
    while (text.size() < kRunBytes) text += character;
    measure(tokenizer, std::string("1 MB of '") + character + "'", text);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) {
    std::fprintf(stderr, "usage: tokenizer_speed MODEL TEXT…\n");
    return 2;
  }
  try {
    run({arguments + 1, arguments + count});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "tokenizer_speed: %s\n", error.what());
    return 1;
  }
  return 0;
}
