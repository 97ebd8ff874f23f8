// The readers of text, for Python. They work with the lock held: blocks are small.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/vector.h>

#include "arpa.hpp"
#include "hashing.hpp"
#include "lexicon.hpp"
#include "numpy_arrays.hpp"
#include "processor.hpp"
#include "pronouncer.hpp"
#include "words.hpp"

using namespace nanobind::literals;

namespace asr {
namespace {

std::string_view view(const Vector<std::uint8_t>& bytes) {
  const void* data = bytes.data();
  return {static_cast<const char*>(data), bytes.size()};
}

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
  nb::class_<Pronouncer>(module, "Pronouncer")
      .def("__init__",
           [](Pronouncer* self, std::int32_t order, std::int32_t start, const Vector<std::int32_t>& letters,
              const Vector<std::int64_t>& phone_starts, const Vector<std::int32_t>& phones,
              const Vector<std::int64_t>& context_starts, const Vector<std::int32_t>& context_pairs,
              const Vector<double>& weights, const Vector<double>& totals, const Vector<std::int64_t>& next_starts,
              const Vector<std::int32_t>& next_pairs, const Vector<double>& next_counts) {
             new (self) Pronouncer(order, {copied(letters), copied(phone_starts), copied(phones), start},
                                   {copied(context_starts), copied(context_pairs), copied(weights), copied(totals),
                                    copied(next_starts), copied(next_pairs), copied(next_counts)});
           },
           "order"_a, "start"_a, "letters"_a, "phone_starts"_a, "phones"_a, "context_starts"_a, "context_pairs"_a,
           "weights"_a, "totals"_a, "next_starts"_a, "next_pairs"_a, "next_counts"_a)
      .def("best",
           [](const Pronouncer& pronouncer, const std::vector<std::int32_t>& letters, std::size_t beam) {
             std::vector<std::pair<double, std::vector<std::int32_t>>> ways;
             for (Pronouncer::Way& way : pronouncer.best(letters, beam))
               ways.emplace_back(way.score, std::move(way.phones));
             return ways;
           },
           "letters"_a, "beam"_a)
      .def("probability",
           [](const Pronouncer& pronouncer, const std::vector<std::int32_t>& context, std::int32_t pair) {
             return pronouncer.probability(context, pair);
           },
           "context"_a, "pair"_a);
  nb::class_<WordIndex>(module, "WordIndex")
      .def("__init__",
           [](WordIndex* self, const Vector<std::uint8_t>& text, const Vector<std::int32_t>& starts,
              const Vector<std::int32_t>& slots) { new (self) WordIndex(shared(text), shared(starts), shared(slots)); },
           "text"_a, "starts"_a, "slots"_a)
      .def_prop_ro("size", &WordIndex::size)
      .def("word",
           [](const WordIndex& index, std::size_t number) {
             if (number >= index.size()) throw nb::index_error("there is no word of that number");
             const std::string_view word = index.word(number);
             return nb::str(word.data(), word.size());
           },
           "number"_a)
      .def("find", [](const WordIndex& index, const std::string_view word) { return index.find(word); }, "word"_a)
      .def("find_all",
           [](const WordIndex& index, const Vector<std::uint8_t>& words) { return to_numpy(index.find_all(view(words))); },
           "words"_a);
  module.def(
      "index_words",
      [](const Vector<std::uint8_t>& text) {
        std::vector<std::int32_t> starts = word_starts(view(text));
        std::vector<std::int32_t> slots = WordIndex::build_slots(view(text), starts);
        return nb::make_tuple(to_numpy(std::move(starts)), to_numpy(std::move(slots)));
      },
      "text"_a);
  module.def("processor", &processor);
  module.def(
      "checksum", [](const Vector<std::uint8_t>& bytes) { return checksum(bytes.data(), bytes.size()); }, "bytes"_a);
}

}  // namespace asr
