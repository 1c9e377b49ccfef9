// The words in which the rows are written: home(0, "read", {fd("fd"), out("buf", length(2)),
// value("count")}). All constexpr: the table is data, checked while it is compiled.
#pragma once
#include <initializer_list>

#include "interpose/syscall/row.h"

namespace pmi::rows {

// Lengths.
constexpr Len bytes(uint32_t size) { return {.rule = Len::Rule::Const, .size = size}; }
constexpr Len length(uint8_t arg) { return {.rule = Len::Rule::Arg, .arg = arg}; }
constexpr Len int_length(uint8_t arg) { return {.rule = Len::Rule::Arg, .arg = arg, .narrow = true}; }
constexpr Len times(uint8_t arg, uint32_t size) { return {.rule = Len::Rule::ArgTimes, .arg = arg, .size = size}; }
constexpr Len int_times(uint8_t arg, uint32_t size) {
    return {.rule = Len::Rule::ArgTimes, .arg = arg, .size = size, .narrow = true};
}
constexpr Len pointed(uint8_t arg) { return {.rule = Len::Rule::PointedU32, .arg = arg}; }

// Arguments.
constexpr Arg make(ArgKind kind, std::string_view name, Len len = {}) {
    Arg arg;
    arg.kind = kind;
    arg.len = len;
    arg.name = name;
    return arg;
}
constexpr Arg value(std::string_view name) { return make(ArgKind::Value, name); }
constexpr Arg fd(std::string_view name) { return make(ArgKind::Fd, name); }
constexpr Arg path(std::string_view name) { return make(ArgKind::Path, name); }
constexpr Arg string(std::string_view name) { return make(ArgKind::String, name); }
constexpr Arg in(std::string_view name, Len len) { return make(ArgKind::In, name, len); }
constexpr Arg out(std::string_view name, Len len) { return make(ArgKind::Out, name, len); }
constexpr Arg inout(std::string_view name, Len len) { return make(ArgKind::InOut, name, len); }
constexpr Arg in_vec(std::string_view name, uint8_t count_arg) { return make(ArgKind::InVec, name, length(count_arg)); }
constexpr Arg out_vec(std::string_view name, uint8_t count_arg) { return make(ArgKind::OutVec, name, length(count_arg)); }
constexpr Arg address_out(std::string_view name, uint8_t len_arg) { return make(ArgKind::SockAddrOut, name, pointed(len_arg)); }
constexpr Arg socklen(std::string_view name) { return make(ArgKind::SockLen, name, bytes(4)); }
constexpr Arg special(std::string_view name) { return make(ArgKind::Special, name); }
constexpr Arg guest(std::string_view name) { return make(ArgKind::Guest, name); }

// `result` units of it come back.
constexpr Arg by_result(Arg arg, uint32_t unit = 1) {
    arg.when = OutWhen::Result;
    arg.result_unit = unit;
    return arg;
}
constexpr Arg always(Arg arg) {
    arg.when = OutWhen::Always;
    return arg;
}
constexpr Arg partial(Arg arg) {
    arg.partial = true;
    return arg;
}
constexpr Arg sparse(Arg arg) {
    arg.sparse = true;
    return arg;
}
// What read(2) fills and write(2) takes.
constexpr Arg read_buffer(std::string_view name, uint8_t len_arg) { return partial(by_result(out(name, length(len_arg)))); }
constexpr Arg write_buffer(std::string_view name, uint8_t len_arg) { return partial(in(name, length(len_arg))); }

// A row, and what can be said of it after its arguments.
struct Entry : Row {
    constexpr Entry sleeps(Interrupt how = Interrupt::Restarts) const {
        Entry copy = *this;
        copy.interrupt = how;
        return copy;
    }
    constexpr Entry timeout_in(uint8_t arg, Timeout kind) const {
        Entry copy = *this;
        copy.timeout = kind;
        copy.timeout_arg = arg;
        return copy;
    }
    constexpr Entry mask_in(uint8_t arg) const {
        Entry copy = *this;
        copy.sigmask_arg = arg;
        return copy;
    }
    constexpr Entry lasting(Known what) const {
        Entry copy = *this;
        copy.lasts = what;
        return copy;
    }
    constexpr Entry changing(Known what) const {
        Entry copy = *this;
        copy.changes = what;
        return copy;
    }
    constexpr Entry why(std::string_view text) const {
        Entry copy = *this;
        copy.note = text;
        return copy;
    }
};

constexpr Entry make_row(Route route, int16_t nr, std::string_view name, std::initializer_list<Arg> args) {
    Entry entry{};
    entry.nr = nr;
    entry.name = name;
    entry.route = route;
    entry.interrupt = Interrupt::Never;
    size_t i = 0;
    for (const Arg& arg : args) entry.args[i++] = arg;
    return entry;
}
constexpr Entry local(int16_t nr, std::string_view name, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Local, nr, name, args);
}
constexpr Entry node(int16_t nr, std::string_view name, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Node, nr, name, args);
}
constexpr Entry identity(int16_t nr, std::string_view name, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Identity, nr, name, args);
}
constexpr Entry home(int16_t nr, std::string_view name, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Home, nr, name, args);
}
constexpr Entry both(int16_t nr, std::string_view name, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Both, nr, name, args);
}
// What can't be forwarded says why.
constexpr Entry goes_home(int16_t nr, std::string_view name, std::string_view reason, std::initializer_list<Arg> args = {}) {
    return make_row(Route::Return, nr, name, args).why(reason);
}

}  // namespace pmi::rows
