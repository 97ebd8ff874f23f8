// The readers of text, for Python. They work with the lock held: blocks are small.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "arpa.hpp"
#include "lexicon.hpp"
#include "numpy_arrays.hpp"
#include "words.hpp"

using namespace nanobind::literals;

namespace asr {
namespace {

std::string_view view(const nb::bytes& data) { return {static_cast<const char*>(data.data()), data.size()}; }

nb::bytes packed(const WordTable& words) {
  const std::string text = words.packed();
  return nb::bytes(text.data(), text.size());
}

nb::object finish_arpa(ArpaReader& reader) {
  if (!reader.finish()) return nb::none();
  nb::list sections;
  for (NgramSection& section : reader.sections())
    sections.append(nb::make_tuple(to_numpy(std::move(section.grams)), to_numpy(std::move(section.log_probs)),
                                   to_numpy(std::move(section.backoffs))));
  return nb::make_tuple(packed(reader.words()), sections);
}

nb::object finish_lexicon(LexiconReader& reader) {
  if (!reader.finish()) return nb::none();
  Spellings spellings = reader.spellings();
  return nb::make_tuple(packed(reader.words()), to_numpy(std::move(spellings.tokens)),
                        to_numpy(std::move(spellings.offsets)), to_numpy(std::move(spellings.words)));
}

}  // namespace

void bind_text(nb::module_& module) {
  nb::class_<ArpaReader>(module, "ArpaReader")
      .def(nb::init<>())
      .def("feed", [](ArpaReader& reader, const nb::bytes& block) { return reader.feed(view(block)); }, "block"_a)
      .def("finish", &finish_arpa);
  nb::class_<LexiconReader>(module, "LexiconReader")
      .def(nb::init<const std::vector<std::string>&>(), "tokens"_a)
      .def("feed", [](LexiconReader& reader, const nb::bytes& block) { return reader.feed(view(block)); }, "block"_a)
      .def("finish", &finish_lexicon);
  module.def(
      "find_words",
      [](const nb::bytes& vocabulary, const nb::bytes& words) { return to_numpy(find_words(view(vocabulary), view(words))); },
      "vocabulary"_a, "words"_a);
}

}  // namespace asr
