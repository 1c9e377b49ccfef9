// A call channel's resumption, from somebody who doesn't know the keys: nothing may ever be accepted.
#include "remote/transport/call_resume.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace pmi;
    static const ChannelKeys keys = ChannelKeys::random();
    static const ResumeHello right = make_resume_hello(keys, 7);
    ResumeHello hello = right;
    ResumeAnswer answer = make_resume_answer(hello, keys, 9);
    ResumeConfirm confirm = make_resume_confirm(hello, answer, keys);
    if (!check_resume_hello(hello, keys) || !check_resume_answer(hello, answer, keys)) std::abort();
    if (!is_resume_confirm(confirm, hello, answer, keys)) std::abort();
    // The input is laid over a right one, so that it gets further than the magic number.
    bool changes = false;
    for (size_t i = 0; i < std::min(size, hello.size()); i++) {
        hello[i] ^= data[i];
        changes |= data[i] != 0;
    }
    if (changes && check_resume_hello(hello, keys)) std::abort();
    if (changes && is_resume_confirm(confirm, hello, answer, keys)) std::abort();
    changes = false;
    for (size_t i = 0; i < std::min(size, answer.size()); i++) {
        answer[i] ^= data[i];
        changes |= data[i] != 0;
    }
    if (changes && check_resume_answer(right, answer, keys)) std::abort();
    return 0;
}
