// matrix: multiplies matrices of doubles again and again and compares each product with the first, bit for
// bit. Watch while it moves: pure computing runs at the other machine's full speed (the rate is printed each
// second), and no vector register is ever lost. CPU time by getrusage must go on growing with the work, never
// back. Usage: matrix [--seconds N] [--size N]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace {

using Matrix = std::vector<double>;

Matrix multiply(const Matrix& a, const Matrix& b, int size) {
    Matrix product(a.size(), 0.0);
    for (int i = 0; i < size; i++)
        for (int k = 0; k < size; k++) {
            double factor = a[i * size + k];
            for (int j = 0; j < size; j++) product[i * size + j] += factor * b[k * size + j];
        }
    return product;
}

double cpu_seconds() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return double(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) + double(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

}  // namespace

int main(int argc, char** argv) {
    int seconds = 10, size = 160;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::string(argv[i]) == "--seconds") seconds = std::atoi(argv[i + 1]);
        if (std::string(argv[i]) == "--size") size = std::atoi(argv[i + 1]);
    }
    if (size < 1 || size > 4000) return std::fprintf(stderr, "matrix: bad size %d\n", size), 2;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    Matrix a(std::size_t(size) * size), b(a.size());
    for (std::size_t i = 0; i < a.size(); i++) {
        a[i] = double(i * 7919 % 1000) / 999;
        b[i] = double(i * 104729 % 1000) / 997;
    }
    const Matrix expected = multiply(a, b, size);
    using Clock = std::chrono::steady_clock;
    auto start = Clock::now(), report = start;
    double cpu = cpu_seconds();
    long rounds = 0, since_report = 0;
    while (Clock::now() - start < std::chrono::seconds(seconds)) {
        Matrix product = multiply(a, b, size);
        if (std::memcmp(product.data(), expected.data(), expected.size() * sizeof(double)) != 0)
            return std::fprintf(stderr, "matrix: product %ld differs\n", rounds), 1;
        rounds++, since_report++;
        if (Clock::now() - report >= std::chrono::seconds(1)) {
            double cpu_now = cpu_seconds();
            if (cpu_now <= cpu) return std::fprintf(stderr, "matrix: CPU time %f after %f\n", cpu_now, cpu), 1;
            std::printf("matrix %ld products, %ld in the last second, %.2f s of CPU\n", rounds, since_report, cpu_now);
            cpu = cpu_now;
            report = Clock::now();
            since_report = 0;
        }
    }
    std::puts("matrix: ok");
}
