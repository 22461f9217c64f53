// SentencePiece's unigram model: of all ways to cut a text into pieces, the one whose scores add up
// to most. Source: Kudo, "Subword Regularization", arxiv.org/abs/1804.10959, section 3.2
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/text_index.hpp"

namespace troupe::model {

// A stretch of text and the piece that it is.
struct UnigramPiece {
  std::string_view text;
  std::int32_t id = -1;  // -1: characters that are in no piece, as many as follow one another
};

class Unigram {
 public:
  // A character in no piece costs this much more than the worst piece (sentencepiece,
  // unigram_model.cc, kUnkPenalty).
  static constexpr double kUnknownPenalty = 10.0;

  // Pieces of SentencePiece have at most 16 characters unless a training says otherwise. Every
  // length up to the longest is looked up at every character.
  static constexpr std::size_t kPieceBytesMax = 256;

  // `pieces` ([vocab], empty where a token is not for plain text) and `scores` ([vocab]) must
  // outlive it. Pieces have at most kPieceBytesMax bytes.
  Unigram(const std::vector<std::string>& pieces, const std::vector<double>& scores);

  // In order; of equal sums the one whose last piece is longest. O(bytes of text · longest piece).
  // Bytes that are not UTF-8 count as characters.
  std::vector<UnigramPiece> split(std::string_view text) const;

 private:
  // The best way to reach the end of a character.
  struct Best;

  void reach(std::string_view text, std::size_t from, std::vector<Best>& best) const;

  const std::vector<double>& scores_;
  TextIndex index_;
  std::size_t piece_bytes_max_ = 0;
  double unknown_score_ = 0;
};

}  // namespace troupe::model
