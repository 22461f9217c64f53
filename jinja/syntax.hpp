// The syntax tree of a template. Immutable once parsed: renderings in several threads read it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/operations.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

// What stands between the parentheses of a call. A null pointer: not there.
struct CallSyntax {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr star;         // *list
  ExpressionPtr double_star;  // **dict
};

enum class ExpressionKind : std::uint8_t {
  kConstant,   // constant
  kName,       // name
  kList,       // children
  kTuple,      // children
  kDict,       // children: key, value, key, value …
  kAttribute,  // children[0].name
  kSubscript,  // children[0][children[1]]
  kSlice,      // children[0][children[1]:children[2]:children[3]]
  kCall,       // children[0](call)
  kFilter,     // children[0] | name(call); children[0] is null in a block
  kTest,       // children[0] is name(call)
  kNot,
  kNegate,
  kPlus,
  kAnd,
  kOr,
  kBinary,       // children[0] binary children[1]
  kConcat,       // children joined by ~
  kCompare,      // children[0] comparisons[0] children[1] comparisons[1] children[2] …
  kConditional,  // children[1] if children[0] else children[2], which may be null
  kNamespaceRef  // name.attribute as a target
};

enum class Comparison : std::uint8_t { kEq, kNe, kLt, kLe, kGt, kGe, kIn, kNotIn };

struct Expression {
  ExpressionKind kind = ExpressionKind::kConstant;
  int line = 1;
  std::size_t depth = 1;  // nodes below one another, this one included
  std::string name;
  std::string attribute;  // kNamespaceRef
  Value constant;
  std::vector<ExpressionPtr> children;
  CallSyntax call;
  BinaryOperator binary = BinaryOperator::kAdd;
  std::vector<Comparison> comparisons;
};

struct Statement;
using Block = std::vector<Statement>;

struct Data {
  std::string text;
};

struct Print {
  ExpressionPtr value;
};

struct If {
  std::vector<std::pair<ExpressionPtr, Block>> branches;  // if, elif …
  Block otherwise;
};

struct For {
  ExpressionPtr target;
  ExpressionPtr iterable;
  ExpressionPtr condition;  // null: none
  bool is_recursive = false;
  Block body;
  Block otherwise;
};

struct Set {
  ExpressionPtr target;
  ExpressionPtr value;
};

struct SetBlock {
  ExpressionPtr target;
  ExpressionPtr filter;  // null: none
  Block body;
};

// Of a macro, or of what a call block hands to one as `caller`.
struct MacroSyntax {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExpressionPtr> defaults;  // of the last parameters
  Block body;
  bool uses_caller = false;
  bool uses_varargs = false;
  bool uses_kwargs = false;
};

struct MacroStatement {
  std::shared_ptr<const MacroSyntax> macro;
};

struct CallBlock {
  ExpressionPtr call;
  std::shared_ptr<const MacroSyntax> caller;
};

struct FilterBlock {
  ExpressionPtr filter;
  Block body;
};

struct With {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> assignments;
  Block body;
};

// {% generation %}: marks what the model generated; renders as its body.
struct Generation {
  Block body;
};

struct Break {};

struct Continue {};

struct Statement {
  int line = 1;
  std::variant<Data,
               Print,
               If,
               For,
               Set,
               SetBlock,
               MacroStatement,
               CallBlock,
               FilterBlock,
               With,
               Generation,
               Break,
               Continue>
      node;
};

}  // namespace troupe::jinja
