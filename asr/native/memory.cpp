// How a search forgets the histories and token records that no hypothesis goes back to.
#include <algorithm>

#include "search.hpp"

namespace asr {

namespace {

constexpr std::int32_t kDead = -1;

}  // namespace

// Before a frame, room for what it may write, so that it allocates nothing.
void SearchSession::make_room() {
  const std::size_t beam = graph_->settings().beam_size;
  while (std::max(histories_.size(), records_.size()) + beam > rows_) {
    drop_dead_rows();
    if (std::max(histories_.size(), records_.size()) > rows_ / 2) {  // dropping alone would come back too soon
      rows_ *= 2;
      histories_.reserve(rows_);
      records_.reserve(rows_);
    }
  }
}

void SearchSession::drop_dead_rows() {
  new_histories_.assign(histories_.size(), kDead);
  new_records_.assign(records_.size(), kDead);
  new_histories_[0] = 0;
  for (const Hypothesis& hypothesis : beam_) {
    new_histories_[hypothesis.history] = 0;
    if (hypothesis.record >= 0) new_records_[hypothesis.record] = 0;
  }
  for (std::size_t row = histories_.size(); row-- > 1;)
    if (new_histories_[row] != kDead) new_histories_[histories_[row].parent] = 0;
  for (std::size_t row = records_.size(); row-- > 0;)
    if (new_records_[row] != kDead && records_[row].before >= 0) new_records_[records_[row].before] = 0;

  const auto record_after = [this](std::int32_t record) { return record >= 0 ? new_records_[record] : -1; };
  std::int32_t count = 0;
  for (std::size_t row = 0; row < records_.size(); ++row) {
    if (new_records_[row] == kDead) continue;
    TokenRecord record = records_[row];
    record.before = record_after(record.before);
    new_records_[row] = count;
    records_[count++] = record;
  }
  records_.resize(count);
  count = 0;
  for (std::size_t row = 0; row < histories_.size(); ++row) {
    if (new_histories_[row] == kDead) continue;
    History history = histories_[row];
    if (row > 0) history.parent = new_histories_[history.parent];
    history.last_record = record_after(history.last_record);
    new_histories_[row] = count;
    histories_[count++] = history;
  }
  histories_.resize(count);
  for (Hypothesis& hypothesis : beam_) {
    hypothesis.history = new_histories_[hypothesis.history];
    hypothesis.record = record_after(hypothesis.record);
  }
}

}  // namespace asr
