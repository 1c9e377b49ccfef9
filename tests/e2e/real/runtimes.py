"""Runtimes with memory managers, compilers and schedulers of their own. Each prints what it has computed."""

LISP_WORK = """
(defun fib (n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(defun churn (n) (let ((table (make-hash-table :test 'equal)))
  (dotimes (i n) (setf (gethash (format nil "~a" (mod (* i 7919) 1009)) table) (list i (make-array 20 :initial-element i))))
  (let ((sum 0)) (maphash (lambda (k v) (declare (ignore k)) (incf sum (+ (car v) (length (cadr v))))) table) sum)))
(dotimes (round 60)
  (format t "~a ~a ~a~%" round (fib 19) (churn 3000))
  (finish-output) (sleep 0.02))
"""
SCHEME_WORK = """
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(define (churn n) (let loop ((i 0) (kept '())) (if (= i n) (apply + (map vector-length kept))
  (loop (+ i 1) (cons (make-vector (modulo (* i 7919) 31) i) (if (> (length kept) 50) '() kept))))))
(let loop ((round 0)) (when (< round 60)
  (display round) (display " ") (display (fib 20)) (display " ") (display (churn 4000)) (newline)
  %s (loop (+ round 1))))
"""


def case_sbcl(c):
    sbcl = c.need("sbcl")
    c.same([sbcl, "--script", c.write("work.lisp", LISP_WORK)])


def case_clisp(c):
    clisp = c.need("clisp")
    c.same([clisp, "-q", c.write("work.lisp", LISP_WORK)])


def case_guile(c):
    guile = c.need("guile")
    c.same([guile, "--no-auto-compile", "-s", c.write("work.scm", SCHEME_WORK % "(force-output) (usleep 20000)")])


def case_racket(c):
    racket = c.need("racket")
    c.same([racket, c.write("work.rkt", "#lang racket/base\n" + SCHEME_WORK % "(flush-output) (sleep 0.02)")])


def case_chezscheme(c):
    scheme = c.need("chezscheme")
    pause = "(flush-output-port) (sleep (make-time 'time-duration 20000000 0))"
    c.same([scheme, "--script", c.write("work.ss", SCHEME_WORK % pause)])


def case_erlang(c):
    erl = c.need("erl")
    program = r"""
Work = fun(N) -> lists:sum([erlang:phash2({N, K}) rem 1000 || K <- lists:seq(1, 2000)]) end,
Self = self(),
Round = fun(R) ->
  Pids = [spawn(fun() -> receive go -> Self ! {self(), Work(R * 100 + I)} end end) || I <- lists:seq(1, 50)],
  [P ! go || P <- Pids],
  io:format("~p ~p~n", [R, lists:sum([receive {P, X} -> X end || P <- Pids])]), timer:sleep(20) end,
lists:foreach(Round, lists:seq(1, 60)), init:stop().
"""
    c.same([erl, "-noshell", "-eval", program])


def case_ocaml(c):
    ocaml = c.need("ocaml")
    c.same([ocaml, "unix.cma", c.write("work.ml", """
let rec fib n = if n < 2 then n else fib (n - 1) + fib (n - 2)
let () = for round = 0 to 59 do
  let table = Hashtbl.create 10 in
  for i = 0 to 3000 do Hashtbl.replace table (string_of_int (i * 7919 mod 1009)) (Array.make 20 i) done;
  let sum = Hashtbl.fold (fun _ a s -> s + a.(0)) table 0 in
  Printf.printf "%d %d %d\\n%!" round (fib 18) sum; Unix.sleepf 0.02
done
""")])


def case_gforth(c):
    gforth = c.need("gforth")
    c.same([gforth, c.write("work.fs", """
: fib dup 2 < if else dup 1- recurse swap 2 - recurse + then ;
: round ( n -- ) dup . 18 fib . 1000 0 do i over * drop loop drop cr 20 ms ;
: rounds 60 0 do i round loop ;
rounds bye
""")])


def case_prolog(c):
    swipl = c.need("swipl")
    c.same([swipl, "-q", "-t", "halt", "-g", "main", c.write("work.pl", """
queens(N, Qs) :- numlist(1, N, Ns), select_all(Ns, [], Qs).
select_all([], Qs, Qs).
select_all(Ns, Acc, Qs) :- select(Q, Ns, Rest), safe(Q, 1, Acc), select_all(Rest, [Q|Acc], Qs).
safe(_, _, []).
safe(Q, D, [A|As]) :- Q =\\= A + D, Q =\\= A - D, D1 is D + 1, safe(Q, D1, As).
main :- forall(between(1, 40, R), (N is 6 + R mod 3, aggregate_all(count, queens(N, _), C), writeln(R-C), flush_output, sleep(0.02))),
    findall(X, (between(1, 3, T), thread_create((findall(K, between(1, 20000, K), L), sum_list(L, S), Y is S + T, thread_exit(Y)), I),
        thread_join(I, exited(X))), Xs), writeln(Xs).
""")])


def case_luajit(c):
    luajit = c.need("luajit")
    c.same([luajit, c.write("work.lua", """
local ffi = require "ffi"
ffi.cdef "int usleep(unsigned);"
local function fib(n) if n < 2 then return n end return fib(n - 1) + fib(n - 2) end
for round = 0, 59 do
  local kept, sum = {}, 0
  for i = 1, 20000 do kept[i % 997] = tostring(i * 7919 % 1009) .. "x"; sum = sum + #kept[i % 997] end
  local array = ffi.new("double[1000]")
  for i = 0, 999 do array[i] = i * round end
  print(round, fib(20), sum, array[999]); io.flush(); ffi.C.usleep(20000)
end
""")])


def case_ffmpeg(c):
    ffmpeg = c.need("ffmpeg")
    c.same([ffmpeg, "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x240:rate=25:duration=8", "-threads", "3", "-c:v", "mpeg4",
            "-flags", "bitexact", "-f", "framemd5", "-"])


def case_imagemagick(c):
    convert = c.need("convert")
    c.same(["sh", "-c", f"for i in 1 2 3 4 5 6; do {convert} -size 400x300 plasma:fractal -seed $i -blur 0x3 -resize 70% -colorspace Gray "
            "-fill white -colorize 100% rgb:- | md5sum; done"])


def case_jq(c):
    jq = c.need("jq")
    c.same(["sh", "-c", f"for i in 1 2 3 4 5 6; do seq 20000 | {jq} -s 'map({{k: (. % 97), v: .}}) | group_by(.k) | "
            "map({k: .[0].k, s: (map(.v) | add)}) | sort_by(.s) | .[:5]' -c; done"])


def case_memcached(c):
    memcached, python = c.need("memcached", "python3")
    client = c.write("client.py", r"""
import hashlib, os, socket, subprocess, sys, tempfile, time
directory = tempfile.TemporaryDirectory(dir="/tmp")  # a path that fits
os.chmod(directory.name, 0o755)
path = directory.name + "/socket"
server = subprocess.Popen([sys.argv[1], *sys.argv[2:], "-s", path, "-a", "0777", "-t", "3", "-m", "32"])
end = time.monotonic() + 20
while True:
    s = socket.socket(socket.AF_UNIX)
    try: s.connect(path); break
    except OSError:
        if time.monotonic() > end: raise
        time.sleep(0.01)
f = s.makefile("rwb")
for n in range(1500):
    value = (hashlib.sha256(b"%d" % n).hexdigest() * (1 + n % 40)).encode()
    f.write(b"set k%d 0 0 %d\r\n%s\r\n" % (n % 211, len(value), value)); f.flush()
    assert f.readline() == b"STORED\r\n"
    f.write(b"get k%d\r\n" % (n % 211)); f.flush()
    assert f.readline() == b"VALUE k%d 0 %d\r\n" % (n % 211, len(value)) and f.readline().strip() == value and f.readline() == b"END\r\n"
    time.sleep(0.002)
server.terminate()
print("stored and got", n + 1, server.wait(20))
""")
    c.same([python, client, memcached, *(["-u", "root"] if c.run.user is None else [])])


def case_r(c):
    rscript = c.need("Rscript")
    c.same([rscript, "--vanilla", "-e", r"""
set.seed(5)
for (round in 1:40) {
  m <- matrix(rnorm(10000), 100); s <- svd(m)
  words <- table(sample(letters, 2000, TRUE)); f <- lm(y ~ x, data.frame(x = 1:200, y = cumsum(rnorm(200))))
  cat(round, format(s$d[1], digits = 8), words[["k"]], format(coef(f)[[2]], digits = 8), "\n"); Sys.sleep(0.02)
}
x <- parallel::mclapply(1:8, function(i) { Sys.sleep(0.2); sum(sqrt(seq_len(1e5) * i)) }, mc.cores = 3)
print(format(unlist(x), digits = 10))
"""])


def case_octave(c):
    octave = c.need("octave-cli")
    c.same([octave, "--no-init-file", "--quiet", "--eval", r"""
rand("twister", 5); for r = 1:40
  a = rand(80); [q, s] = qr(a); c = containers.Map(); for k = 1:60, c(sprintf("k%d", mod(k * 7, 31))) = k; end
  printf("%d %.8f %.8f %d\n", r, abs(det(a)), sum(abs(diag(s))), c.Count); fflush(stdout); pause(0.02);
end
"""])


def case_mono(c):
    mono, mcs = c.need("mono", "mcs")
    source = c.write("Work.cs", r"""
using System; using System.Collections.Generic; using System.Linq; using System.Threading; using System.Threading.Tasks;
static class Work {
    static int Fib(int n) => n < 2 ? n : Fib(n - 1) + Fib(n - 2);
    static void Main() {
        for (int round = 0; round < 50; round++) {
            var parts = Enumerable.Range(0, 4).Select(k => Task.Run(() => {
                var kept = new Dictionary<string, int[]>();
                for (int i = 0; i < 5000; i++) kept[(i * 7919 % 1009).ToString()] = new int[20 + k];
                return kept.Values.Sum(v => v.Length) + Fib(16 + k);
            })).ToArray();
            Task.WaitAll(parts);
            Console.WriteLine($"{round} {parts.Sum(p => p.Result)}"); Thread.Sleep(20);
            if (round % 10 == 0) GC.Collect();
        }
    }
}
""")
    c.same(["sh", "-c", f"{mcs} -out:{c.directory_for('work')}/work.exe {source} && exec {mono} {c.path('work')}/work.exe"])


def case_mariadb(c):
    server, install, client = c.need("mariadbd", "mariadb-install-db", "mariadb")
    script = c.write("work.sh", rf"""
set -e
d=$(mktemp -d /tmp/pmi-mariadb-XXXXXX); trap 'rm -rf $d' EXIT
{install} --no-defaults --user=root --auth-root-authentication-method=normal --datadir=$d/data >/dev/null 2>&1
{server} --no-defaults --user=root --datadir=$d/data --socket=$d/s --skip-networking --innodb-use-native-aio=0 --log-error=$d/log &
for i in $(seq 300); do {client} --no-defaults -u root -S $d/s -e 'select 1' >/dev/null 2>&1 && break; sleep 0.1; done
q() {{ {client} --no-defaults -u root -S $d/s -N -e "$1" test; }}
q 'create table t (id int primary key auto_increment, a int, b varchar(100)) engine=innodb'
for i in $(seq 60); do
  q "insert into t (a, b) select seq * 7919 % 1009, repeat('x', seq % 50) from seq_1_to_200; select $i, count(*), sum(a), sum(length(b)) from t where a > $i * 10"
done
q 'check table t' | cut -f 2-
q 'shutdown'; wait
""")
    c.same(["bash", script])
