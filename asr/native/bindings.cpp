// The extension module `asr._native`: NumPy arrays in, checked once, to the classes of this folder. `_native.pyi`
// documents what Python sees.
#include "bindings.hpp"

#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>

#include "alignment.hpp"
#include "checks.hpp"
#include "ngram.hpp"
#include "numpy_arrays.hpp"
#include "products.hpp"
#include "trie.hpp"

using namespace nanobind::literals;

namespace asr {
namespace {

using Slots = nb::ndarray<std::uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using ReadSlots = nb::ndarray<const std::uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

Array<NgramSlot> shared_slots(const ReadSlots& values) {
  static_assert(sizeof(NgramSlot) == 16, "a slot is two 64-bit numbers of the file");
  auto owner = std::make_shared<ReadSlots>(values);
  const void* data = owner->data();
  const std::size_t size = owner->shape(0);
  return Array<NgramSlot>(static_cast<const NgramSlot*>(data), size, std::move(owner));
}

void bind_ngrams(nb::module_& module) {
  nb::class_<NgramTables>(module, "NgramTables")
      .def("__init__",
           [](NgramTables* self, int order, const Vector<float>& log_probs, const Vector<float>& backoffs,
              const ReadSlots& slots, const Vector<std::int64_t>& starts) {
             new (self) NgramTables(order, shared(log_probs), shared(backoffs), shared_slots(slots), shared(starts));
           },
           "order"_a, "unigram_log_probs"_a, "unigram_backoffs"_a, "slots"_a, "starts"_a)
      .def_prop_ro("order", &NgramTables::order)
      .def("score",
           [](const NgramTables& tables, const std::vector<std::int32_t>& context, std::int32_t word) {
             NgramContext ids;
             ids.fill(kNoWord);
             const auto is_word = [&](std::int64_t id) {
               return 0 <= id && id < static_cast<std::int64_t>(tables.vocabulary_size());
             };
             require(is_word(word), "there is no word of that id");
             for (std::size_t place = 0; place < context.size() && place < ids.size(); ++place) {
               if (context[place] == kNoWord) break;
               require(is_word(context[place]), "there is no word of that id");
               ids[place] = context[place];
             }
             return tables.score(ids, word);
           },
           "context"_a, "word"_a);
  module.def(
      "fill_ngrams",
      [](const Matrix<std::int32_t>& grams, const Vector<float>& log_probs, const Vector<float>& backoffs, Slots slots) {
        const std::size_t count = grams.shape(0);
        require(log_probs.size() == count && backoffs.size() == count, "n-grams and their scores differ in number");
        void* data = slots.data();
        fill_ngrams(grams.data(), count, static_cast<int>(grams.shape(1)), log_probs.data(), backoffs.data(),
                    static_cast<NgramSlot*>(data), slots.shape(0));
      },
      "grams"_a, "log_probs"_a, "backoffs"_a, "slots"_a.noconvert());
}

void bind_trie(nb::module_& module) {
  nb::class_<Trie>(module, "Trie")
      .def("__init__",
           [](Trie* self, const Vector<std::int32_t>& child_starts, const Vector<std::int32_t>& child_tokens,
              const Vector<std::int32_t>& word_starts, const Vector<std::int32_t>& words, std::int32_t token_count,
              std::int32_t word_count) {
             new (self) Trie(shared(child_starts), shared(child_tokens), shared(word_starts), shared(words),
                             token_count, word_count);
           },
           "child_starts"_a, "child_tokens"_a, "word_starts"_a, "words"_a, "token_count"_a, "word_count"_a)
      .def_prop_ro("node_count", &Trie::node_count)
      .def("best_below",
           [](const Trie& trie, const Vector<float>& scores) {
             require(scores.size() == static_cast<std::size_t>(trie.word_count()), "every word needs a score");
             return to_numpy(trie.best_below(scores.data()));
           },
           "scores"_a);
  module.def(
      "build_trie",
      [](const Vector<std::int32_t>& tokens, const Vector<std::int64_t>& offsets) {
        require(offsets.size() > 0 && offsets.data()[0] == 0 &&
                    std::is_sorted(offsets.data(), offsets.data() + offsets.size()) &&
                    offsets.data()[offsets.size() - 1] == static_cast<std::int64_t>(tokens.size()),
                "the spellings' offsets do not cover their tokens");
        TrieArrays trie = build_trie(tokens.data(), offsets.data(), offsets.size() - 1);
        return nb::make_tuple(to_numpy(std::move(trie.child_starts)), to_numpy(std::move(trie.child_tokens)),
                              to_numpy(std::move(trie.ends)));
      },
      "tokens"_a, "offsets"_a);
}

void bind_alignment(nb::module_& module) {
  module.def(
      "best_path",
      [](const Matrix<float>& log_probs, const Vector<std::int32_t>& tokens, const Vector<std::int32_t>& first,
         const Vector<std::int32_t>& sources, const Vector<std::int32_t>& starts, const Vector<std::int32_t>& ends,
         double beam) {
        const AlignmentGraph graph{copied(tokens), copied(first), copied(sources), copied(starts), copied(ends)};
        std::vector<std::int32_t> path;
        {
          nb::gil_scoped_release without_lock;
          path = best_path(log_probs.data(), log_probs.shape(0), log_probs.shape(1), graph, beam);
        }
        return to_numpy(std::move(path));
      },
      "log_probs"_a, "tokens"_a, "first"_a, "sources"_a, "starts"_a, "ends"_a, "beam"_a);
  module.def(
      "best_chain_path",
      [](const Matrix<float>& log_probs, const Vector<std::int32_t>& chain, const Vector<bool>& optional) {
        std::vector<std::int32_t> path;
        {
          nb::gil_scoped_release without_lock;
          path = best_chain_path(log_probs.data(), log_probs.shape(0), log_probs.shape(1), copied(chain),
                                 copied(optional));
        }
        return to_numpy(std::move(path));
      },
      "log_probs"_a, "chain"_a, "optional"_a);
  module.def(
      "are_log_probs",
      [](const Matrix<float>& values, std::size_t checked, double tolerance) {
        require(checked > 0, "at least one frame must be summed");
        return are_log_probs(values.data(), values.shape(0), values.shape(1), checked, tolerance);
      },
      "values"_a, "checked"_a, "tolerance"_a);
}

// What FloatMatrix and ByteMatrix have in common.
template <typename Weights>
nb::class_<Weights> bind_matrix(nb::module_& module, const char* name) {
  return nb::class_<Weights>(module, name)
      .def("__init__",
           [](Weights* self, const Matrix<float>& weights) {
             new (self) Weights(weights.data(), weights.shape(0), weights.shape(1));
           },
           "weights"_a)
      .def("multiply",
           [](const Weights& weights, const Matrix<float>& vectors) {
             require(vectors.shape(1) == weights.inputs(), "the vectors do not fit the weights");
             NewMatrix products(vectors.shape(0), weights.outputs());
             {
               nb::gil_scoped_release without_lock;
               weights.multiply(vectors.data(), vectors.shape(0), products.data());
             }
             return products.to_numpy();
           },
           "vectors"_a);
}

void bind_products(nb::module_& module) {
  bind_matrix<FloatMatrix>(module, "FloatMatrix");
  bind_matrix<ByteMatrix>(module, "ByteMatrix")
      .def("__init__",
           [](ByteMatrix* self, const Matrix<std::int8_t>& steps, const Vector<float>& scales) {
             require(scales.size() == steps.shape(0), "every row needs a scale");
             new (self) ByteMatrix(steps.data(), scales.data(), steps.shape(0), steps.shape(1));
           },
           "steps"_a, "scales"_a);
  module.def(
      "log_sums",
      [](const Matrix<float>& values) {
        require(values.shape(1) > 0, "a sum needs values");
        std::vector<double> sums(values.shape(0));
        nb::gil_scoped_release without_lock;
        log_sums(values.data(), values.shape(0), values.shape(1), sums.data());
        return sums;
      },
      "values"_a);
  module.def(
      "lstm_step",
      [](const WritableMatrix& gates, const WritableMatrix& cells) {
        require(gates.shape(0) == cells.shape(0) && gates.shape(1) == 4 * cells.shape(1),
                "the gates do not fit the cells");
        NewMatrix outputs(cells.shape(0), cells.shape(1));
        {
          nb::gil_scoped_release without_lock;
          lstm_step(gates.data(), cells.shape(0), cells.shape(1), cells.data(), outputs.data());
        }
        return outputs.to_numpy();
      },
      "gates"_a.noconvert(), "cells"_a.noconvert());
}

}  // namespace
}  // namespace asr

NB_MODULE(_native, module) {
  module.doc() = "Compiled parts of recognition: n-gram tables, the lexicon's tree, beam search, alignment.";
  asr::bind_ngrams(module);
  asr::bind_trie(module);
  asr::bind_graph(module);
  asr::bind_session(module);
  asr::bind_alignment(module);
  asr::bind_products(module);
  asr::bind_text(module);
}
