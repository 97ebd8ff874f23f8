// The beam search as Python sees it.
#include "bindings.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <optional>

#include "graph.hpp"
#include "numpy_arrays.hpp"
#include "search.hpp"

namespace asr {

using namespace nb::literals;

namespace {

// A session that says so when two threads use it at once, instead of corrupting its memory: the GIL is released.
class GuardedSession {
 public:
  GuardedSession(std::shared_ptr<const DecodingGraph> graph, std::size_t rows) : search_(std::move(graph), rows) {}
  explicit GuardedSession(const SearchSession& search) : search_(search) {}

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

}  // namespace

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
           [](Hotwords* self, const Vector<std::int32_t>& words, const Vector<std::int32_t>& starts,
              const Vector<std::int32_t>& numbers, const Vector<std::int32_t>& places,
              const Vector<std::int32_t>& failures, const Vector<double>& partial, const Vector<double>& won,
              const std::optional<Vector<double>>& closing, const std::optional<Vector<std::uint8_t>>& closers,
              std::int32_t first) {
             new (self) Hotwords(shared(words), shared(starts), shared(numbers), shared(places), shared(failures),
                                 shared(partial), shared(won), closing ? shared(*closing) : Array<double>{},
                                 closers ? shared(*closers) : Array<std::uint8_t>{}, first);
           },
           "words"_a, "starts"_a, "numbers"_a, "places"_a, "failures"_a, "partial"_a, "won"_a,
           "closing"_a = nb::none(), "closers"_a = nb::none(), "first"_a = 0);
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
      .def_ro("ngram_end_score", &Ending::ngram_end_score)
      .def_ro("score", &Ending::score);
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
      .def("copy",
           [](GuardedSession& session) {
             return session.alone([](SearchSession& search) { return std::make_unique<GuardedSession>(search); });
           })
      .def("pending",
           [](GuardedSession& session, double margin) {
             return session.alone([margin](SearchSession& search) { return search.pending(margin); });
           },
           "margin"_a)
      .def("pending_at_end",
           [](GuardedSession& session, double margin) {
             return session.alone([margin](SearchSession& search) { return search.pending_at_end(margin); });
           },
           "margin"_a)
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

}  // namespace asr
