// threads: workers share a queue behind a mutex and a condition variable, and count in thread-local and
// atomic counters; at the end all books must agree. Watch while it moves: all threads go together, none
// hangs, and the printed total never falls. Usage: threads [--seconds N] [--workers N]
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace {

std::mutex mutex;
std::condition_variable filled, emptied;
std::deque<long> queue;
bool closed = false;
std::atomic<long> total_sum{0}, total_count{0};
thread_local long own_count = 0;

void work(long& count_out) {
    for (;;) {
        std::unique_lock lock(mutex);
        filled.wait(lock, [] { return !queue.empty() || closed; });
        if (queue.empty()) break;
        long item = queue.front();
        queue.pop_front();
        lock.unlock();
        emptied.notify_one();
        total_sum += item;
        total_count++;
        own_count++;
    }
    count_out = own_count;
}

}  // namespace

int main(int argc, char** argv) {
    int seconds = 10, workers = 4;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::string(argv[i]) == "--seconds") seconds = std::atoi(argv[i + 1]);
        if (std::string(argv[i]) == "--workers") workers = std::atoi(argv[i + 1]);
    }
    if (workers < 1 || workers > 500) return std::fprintf(stderr, "threads: bad number of workers\n"), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    std::vector<long> counts(workers);
    std::vector<std::thread> pool;
    for (int i = 0; i < workers; i++) pool.emplace_back(work, std::ref(counts[i]));
    using Clock = std::chrono::steady_clock;
    auto start = Clock::now(), report = start;
    long next = 0, expected_sum = 0, last_total = 0;
    while (Clock::now() - start < std::chrono::seconds(seconds)) {
        {
            std::unique_lock lock(mutex);
            emptied.wait(lock, [] { return queue.size() < 64; });
            queue.push_back(next);
        }
        filled.notify_one();
        expected_sum += next++;
        if (Clock::now() - report >= std::chrono::milliseconds(500)) {
            report = Clock::now();
            long total = total_count;
            if (total < last_total) return std::fprintf(stderr, "threads: total fell to %ld\n", total), 1;
            std::printf("threads %ld items done by %d workers\n", total, workers);
            last_total = total;
        }
    }
    {
        std::lock_guard lock(mutex);
        closed = true;
    }
    filled.notify_all();
    for (auto& thread : pool) thread.join();
    long counted = 0;
    for (long count : counts) counted += count;
    if (counted != next || total_count != next || total_sum != expected_sum)
        return std::fprintf(stderr, "threads: %ld items made, %ld counted, %ld in all, sum %ld not %ld\n", next, counted,
                            total_count.load(), total_sum.load(), expected_sum),
               1;
    std::puts("threads: ok");
}
