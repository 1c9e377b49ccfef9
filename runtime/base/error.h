// Errors as values. A function that can fail for a reason outside the program's own code returns Expected<T>;
// what is wrong inside the program asserts (PMI_ASSERT, in release too). An Error says what failed, on what,
// and why, in one line that can be shown to a person as it is.
#pragma once
#include <fmt/format.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace pmi {

class Error {
  public:
    // `code` is an errno value, or 0 where no system call failed.
    explicit Error(std::string what, int code = 0) : what_(std::move(what)), code_(code) {}

    int code() const { return code_; }
    // One line, without a newline at its end: "open /x: No such file or directory".
    std::string message() const;
    // The same error seen from further out: "migrate 42: open /x: No such file or directory".
    Error within(const std::string& context) && { return Error(context + ": " + what_, code_); }

  private:
    std::string what_;
    int code_;
};

// An Error from errno (or `code`), captured at once: fail_errno("open {}", path).
template <typename... A>
[[nodiscard]] Error fail_errno(fmt::format_string<A...> f, A&&... a) {
    int code = errno;
    return Error(fmt::format(f, std::forward<A>(a)...), code);
}
template <typename... A>
[[nodiscard]] Error fail_code(int code, fmt::format_string<A...> f, A&&... a) {
    return Error(fmt::format(f, std::forward<A>(a)...), code);
}
template <typename... A>
[[nodiscard]] Error fail(fmt::format_string<A...> f, A&&... a) {
    return Error(fmt::format(f, std::forward<A>(a)...), 0);
}

struct [[nodiscard]] Unit {};

template <typename T = Unit>
class [[nodiscard]] Expected {
  public:
    Expected(T value) : v_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit by design
    Expected(Error error) : v_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit by design
    template <typename U = T, typename = std::enable_if_t<std::is_same_v<U, Unit>>>
    Expected() : v_(std::in_place_index<0>, Unit{}) {}

    explicit operator bool() const { return v_.index() == 0; }
    bool ok() const { return v_.index() == 0; }
    T& operator*() { return std::get<0>(v_); }
    const T& operator*() const { return std::get<0>(v_); }
    T* operator->() { return &std::get<0>(v_); }
    const T* operator->() const { return &std::get<0>(v_); }
    Error& error() { return std::get<1>(v_); }
    const Error& error() const { return std::get<1>(v_); }
    T value_or(T other) const { return ok() ? std::get<0>(v_) : other; }

  private:
    std::variant<T, Error> v_;
};

using Status = Expected<Unit>;

[[noreturn]] void assert_failed(const char* condition, const char* file, int line);

}  // namespace pmi

// Programmer errors only; never for what a peer, a guest or a file contains.
#define PMI_ASSERT(cond) ((cond) ? (void)0 : ::pmi::assert_failed(#cond, __FILE__, __LINE__))

#define PMI_CONCAT2(a, b) a##b
#define PMI_CONCAT(a, b) PMI_CONCAT2(a, b)

// TRY(expr): returns the error to the caller, or goes on.  TRY_ASSIGN(decl, expr): and takes the value.
#define TRY_IMPL(tmp, expr)                        \
    do {                                           \
        auto&& tmp = (expr);                       \
        if (!tmp) return std::move((tmp).error()); \
    } while (0)
#define TRY(expr) TRY_IMPL(PMI_CONCAT(pmi_try_, __COUNTER__), expr)
#define TRY_ASSIGN_IMPL(tmp, decl, expr)       \
    auto tmp = (expr);                         \
    if (!tmp) return std::move((tmp).error()); \
    decl = std::move(*(tmp))
#define TRY_ASSIGN(decl, expr) TRY_ASSIGN_IMPL(PMI_CONCAT(pmi_try_, __COUNTER__), decl, expr)
