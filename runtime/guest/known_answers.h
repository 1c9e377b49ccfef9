// Answers that home has given to one thread, and said of them that they last: the same question gets the same answer
// here. A question is the whole of the call as it would be sent.
#pragma once
#include <cstddef>
#include <optional>
#include <vector>

#include "interpose/marshal/call.h"
#include "interpose/syscall/row.h"

namespace pmi {

class KnownAnswers {
  public:
    // Points into what is kept here.
    std::optional<Reply> find(Known what, const ByteBuffer& question) const {
        for (const auto& known : known_) {
            if (known.what != what || !(known.question == question)) continue;
            auto answer = decode_reply(known.answer);
            PMI_ASSERT(answer);
            return std::move(*answer);
        }
        return std::nullopt;
    }
    void keep(Known what, ByteBuffer question, const Reply& answer) {
        if (known_.size() >= kMax) known_.clear();
        known_.push_back({what, std::move(question), encode(answer).whole()});
    }
    // Of a task that another one has made: it begins with what is true of that one.
    void inherit(const KnownAnswers& other, Known what) {
        forget(what);
        for (const auto& known : other.known_)
            if (known.what == what) known_.push_back({what, known.question.copy(), known.answer.copy()});
    }
    void forget(Known what) {
        std::erase_if(known_, [&](const auto& known) { return known.what == what; });
    }

  private:
    static constexpr size_t kMax = 32;
    struct One {
        Known what;
        ByteBuffer question;
        ByteBuffer answer;
    };
    std::vector<One> known_;
};

}  // namespace pmi
