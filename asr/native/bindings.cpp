// The extension module `asr._native`: NumPy arrays in, checked once, to the classes of this folder. `_native.pyi`
// documents what Python sees.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <stdexcept>

#include "alignment.hpp"
#include "checks.hpp"
#include "graph.hpp"
#include "ngram.hpp"
#include "numpy.hpp"
#include "products.hpp"
#include "search.hpp"
#include "trie.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace asr {
namespace {

using Slots = nb::ndarray<std::uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;
using ReadSlots = nb::ndarray<const std::uint64_t, nb::shape<-1, 2>, nb::c_contig, nb::device::cpu>;

// The values of a NumPy array, which lives as long as the Array does.
template <typename T>
Array<T> shared(const Vector<T>& values) {
  auto owner = std::make_shared<Vector<T>>(values);
  const T* data = owner->data();
  const std::size_t size = owner->size();
  return Array<T>(data, size, std::move(owner));
}

Array<NgramSlot> shared_slots(const ReadSlots& values) {
  static_assert(sizeof(NgramSlot) == 16, "a slot is two 64-bit numbers of the file");
  auto owner = std::make_shared<ReadSlots>(values);
  const void* data = owner->data();
  const std::size_t size = owner->shape(0);
  return Array<NgramSlot>(static_cast<const NgramSlot*>(data), size, std::move(owner));
}

template <typename T>
std::vector<T> copied(const Vector<T>& values) {
  return std::vector<T>(values.data(), values.data() + values.size());
}

using WritableMatrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// Memory for a result (rows, columns), which a NumPy array takes over.
class NewMatrix {
 public:
  NewMatrix(std::size_t rows, std::size_t columns)
      : rows_(rows), columns_(columns), values_(new float[rows * columns]) {}

  float* data() { return values_.get(); }

  nb::ndarray<nb::numpy, float, nb::ndim<2>> to_numpy() {
    float* values = values_.release();
    nb::capsule owner(values, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
    return nb::ndarray<nb::numpy, float, nb::ndim<2>>(values, {rows_, columns_}, owner);
  }

 private:
  std::size_t rows_, columns_;
  std::unique_ptr<float[]> values_;
};

// A session that says so when two threads use it at once, instead of corrupting its memory: the GIL is released.
class GuardedSession {
 public:
  GuardedSession(std::shared_ptr<const DecodingGraph> graph, std::size_t rows) : search_(std::move(graph), rows) {}

  template <typename Action>
  auto alone(Action action) {
    if (busy_.test_and_set()) throw std::runtime_error("a search session is used by two threads at once");
    struct Release {
      std::atomic_flag& busy;
      ~Release() { busy.clear(); }
    } release{busy_};
    nb::gil_scoped_release without_lock;
    return action(search_);
  }

  const SearchSession& search() const { return search_; }

 private:
  SearchSession search_;
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
};

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

void bind_graph(nb::module_& module) {
  nb::class_<SearchSettings>(module, "SearchSettings")
      .def("__init__",
           [](SearchSettings* self, double lm_weight, double word_score, std::int32_t beam_size, double threshold,
              double token_threshold, std::int32_t boundary, bool open, double unknown_score, double letter_score) {
             new (self) SearchSettings{lm_weight, word_score, beam_size,     threshold,   token_threshold,
                                       boundary,  open,       unknown_score, letter_score};
           },
           nb::kw_only(), "lm_weight"_a, "word_score"_a, "beam_size"_a, "threshold"_a, "token_threshold"_a,
           "boundary"_a, "open"_a, "unknown_score"_a, "letter_score"_a);
  nb::class_<Hotwords>(module, "Hotwords")
      .def("__init__",
           [](Hotwords* self, const Vector<std::int32_t>& words, const Matrix<std::int32_t>& following,
              const Vector<double>& partial, const Vector<double>& won) {
             require(following.shape(0) == won.size(), "the hotwords' arrays differ in length");
             auto owner = std::make_shared<Matrix<std::int32_t>>(following);
             const std::int32_t* data = owner->data();
             const std::size_t size = owner->size();
             Array<std::int32_t> flat(data, size, std::move(owner));
             new (self) Hotwords(shared(words), std::move(flat), shared(partial), shared(won));
           },
           "words"_a, "following"_a, "partial"_a, "won"_a);
  nb::class_<LanguageModel>(module, "LanguageModel")
      .def("__init__",
           [](LanguageModel* self, std::shared_ptr<NgramTables> tables, const Vector<std::int32_t>& word_ids,
              std::int32_t begin, std::int32_t end, double missing_score) {
             new (self) LanguageModel{std::move(tables), shared(word_ids), begin, end, missing_score};
           },
           "tables"_a, "word_ids"_a, "begin"_a, "end"_a, "missing_score"_a);
  nb::class_<DecodingGraph>(module, "DecodingGraph")
      .def("__init__",
           [](DecodingGraph* self, std::shared_ptr<Trie> trie, const Vector<double>& lookahead,
              const LanguageModel* language, const Hotwords* hotwords, const SearchSettings& settings) {
             new (self) DecodingGraph(std::move(trie), copied(lookahead), language ? *language : LanguageModel{},
                                      hotwords ? *hotwords : Hotwords{}, settings);
           },
           "trie"_a, "lookahead"_a, "language"_a.none(), "hotwords"_a.none(), "settings"_a)
      .def_prop_ro("has_ngram", &DecodingGraph::has_ngram);
}

void bind_session(nb::module_& module) {
  nb::class_<PendingWord>(module, "PendingWord")
      .def_ro("history", &PendingWord::history)
      .def_ro("parent", &PendingWord::parent)
      .def_ro("word", &PendingWord::word)
      .def_ro("ngram_score", &PendingWord::ngram_score);
  nb::class_<Ending>(module, "Ending")
      .def_ro("history", &Ending::history)
      .def_ro("word", &Ending::word)
      .def_ro("ngram_score", &Ending::ngram_score)
      .def_ro("ngram_end_score", &Ending::ngram_end_score);
  nb::class_<SpokenWord>(module, "SpokenWord")
      .def_ro("word", &SpokenWord::word)
      .def_ro("first_frame", &SpokenWord::first_frame)
      .def_ro("end_frame", &SpokenWord::end_frame)
      .def_ro("first_token", &SpokenWord::first_token)
      .def_ro("confidence", &SpokenWord::confidence);
  nb::class_<Transcription>(module, "Transcription")
      .def_ro("acoustic", &Transcription::acoustic)
      .def_ro("other", &Transcription::other)
      .def_ro("words", &Transcription::words)
      .def_prop_ro("tokens", [](const Transcription& spoken) {
        std::vector<std::pair<std::int32_t, std::int32_t>> tokens;
        for (const SpokenToken& token : spoken.tokens) tokens.emplace_back(token.token, token.frame);
        return tokens;
      });
  nb::class_<Confidence>(module, "Confidence")
      .def("__init__",
           [](Confidence* self, double scale, double bias, double slope, double evidence) {
             new (self) Confidence{scale, bias, slope, evidence};
           },
           nb::kw_only(), "scale"_a, "bias"_a, "slope"_a, "evidence"_a);
  nb::class_<GuardedSession>(module, "SearchSession")
      .def("__init__",
           [](GuardedSession* self, std::shared_ptr<DecodingGraph> graph, std::size_t rows) {
             new (self) GuardedSession(std::move(graph), rows);
           },
           "graph"_a, "rows"_a = 2048)
      .def_prop_ro("frames", [](const GuardedSession& session) { return session.search().frames(); })
      .def_prop_ro("rows", [](const GuardedSession& session) { return session.search().rows(); })
      .def_prop_ro("first_history", [](const GuardedSession& session) { return session.search().first_history(); })
      .def("advance",
           [](GuardedSession& session, const Matrix<float>& log_probs) {
             const std::size_t tokens = session.search().graph().trie().token_count();
             require(log_probs.shape(1) == tokens, "the log-probabilities are of another number of tokens");
             session.alone([&](SearchSession& search) { search.advance(log_probs.data(), log_probs.shape(0)); });
           },
           "log_probs"_a)
      .def("pending", [](GuardedSession& session) {
        return session.alone([](SearchSession& search) { return search.pending(); });
      })
      .def("apply_language_scores",
           [](GuardedSession& session, const std::vector<std::uint64_t>& histories, const std::vector<double>& gains) {
             require(histories.size() == gains.size(), "every history needs a gain");
             session.alone([&](SearchSession& search) { search.apply_language_scores(histories, gains); });
           },
           "histories"_a, "gains"_a)
      .def("endings", [](GuardedSession& session) {
        return session.alone([](SearchSession& search) { return search.endings(); });
      })
      .def("results",
           [](GuardedSession& session, const Confidence& confidence, std::size_t nbest,
              const std::vector<double>& gains) {
             return session.alone(
                 [&](SearchSession& search) { return search.results(confidence, nbest, gains); });
           },
           "confidence"_a, "nbest"_a = 1, "gains"_a = std::vector<double>());
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
void bind_matrix(nb::module_& module, const char* name) {
  nb::class_<Weights>(module, name)
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
  bind_matrix<ByteMatrix>(module, "ByteMatrix");
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
