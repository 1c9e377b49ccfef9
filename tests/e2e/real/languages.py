"""Interpreters and runtimes."""

import subprocess

from .python_tests import python_tests


def case_python_threads(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import threading, queue, hashlib, time
q, out, lock = queue.Queue(8), {}, threading.Lock()
def work():
    while (n := q.get()) is not None:
        h = hashlib.sha256(str(n).encode())
        for _ in range(3000): h = hashlib.sha256(h.digest())
        with lock: out[n] = h.hexdigest()
        time.sleep(0.001)
threads = [threading.Thread(target=work) for _ in range(4)]
for t in threads: t.start()
for n in range(600): q.put(n)
for t in threads: q.put(None)
for t in threads: t.join(timeout=60)
assert len(out) == 600
print(hashlib.sha256("".join(out[n] for n in sorted(out)).encode()).hexdigest())
"""])


def case_python_subprocess(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import subprocess, sys, os, signal
for i in range(40):
    p = subprocess.Popen(["sort", "-n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    out, _ = p.communicate("".join(f"{(k * 7919 + i) % 1000}\n" for k in range(2000)).encode(), timeout=60)
    print(i, len(out), hash(tuple(map(int, out.split()))) , p.returncode)
    print(subprocess.run([sys.executable, "-S", "-c", f"import sys; sys.exit({i})"]).returncode)
    p = subprocess.Popen(["sleep", "100"]); p.terminate(); print(p.wait(30))
    print(subprocess.check_output(f"echo {i} | tr 0-9 a-j", shell=True, text=True).strip())
"""])


def case_python_sqlite3(c):
    python = c.need("/usr/bin/python3")
    program = c.write("db.py", r"""
import sqlite3, sys, random, os
db = sqlite3.connect(sys.argv[1]); random.seed(4)
db.execute("create table t (id integer primary key, a int, b text)")
for i in range(250):
    with db: db.executemany("insert into t (a, b) values (?, ?)", [(random.randrange(1000), "x" * random.randrange(100)) for _ in range(100)])
    if i % 10 == 0:
        with db: db.execute("delete from t where a = ?", (random.randrange(1000),))
    print(i, db.execute("select count(*), sum(a), sum(length(b)) from t where a > ?", (random.randrange(900),)).fetchone())
print(db.execute("pragma integrity_check").fetchone()); os.unlink(sys.argv[1])
""")
    c.same([python, program, c.path("work.db")])


def case_python_asyncio(c):
    python = c.need("/usr/bin/python3")
    c.same([python, "-c", r"""
import asyncio
async def serve(r, w):
    while line := await r.readline(): w.write(line[::-1].strip() + b"\n"); await w.drain()
    w.close()
async def client(port, k):
    r, w = await asyncio.open_connection("127.0.0.1", port)
    for i in range(600):
        w.write(f"{k} {i}\n".encode()); assert (await r.readline()).strip() == f"{k} {i}".encode()[::-1]
        await asyncio.sleep(0.002)
    w.close()
    return k
async def main():
    s = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(await asyncio.gather(*[client(s.sockets[0].getsockname()[1], k) for k in range(5)]))
asyncio.run(main())
"""])


def case_python_own_tests(c):
    """Python's own tests of what moves could disturb."""
    python_tests(c, "fork1", "os", "posix", "select", "time")


def case_ruby(c):
    c.need("ruby")
    c.same(["ruby", "-e", r"""
require 'socket'; require 'digest/sha2'; require 'open3'; require 'timeout'; require 'tempfile'; $stdout.sync = true
q = Queue.new
ths = 4.times.map { |k| Thread.new { 50.times { |i| q << Digest::SHA256.hexdigest((k*1000+i).to_s * 1000); sleep 0.002 } } }
ths.each(&:join); a = []; a << q.pop until q.empty?; puts Digest::SHA256.hexdigest(a.sort.join)
s = TCPServer.new('127.0.0.1', 0); t = Thread.new { 20.times { c = s.accept; while (l = c.gets); c.puts l.reverse.strip; end; c.close } }
20.times { |k| c = TCPSocket.new('127.0.0.1', s.addr[1]); 20.times { |i| c.puts "hello #{k} #{i}"; raise unless c.gets.strip == "hello #{k} #{i}".reverse }; c.close }; t.join
30.times { |i| o, st = Open3.capture2('tr a-z A-Z', stdin_data: "abc#{i}"); puts "#{o} #{st.exitstatus}" }
r, w = IO.pipe; pid = fork { r.close; 100.times { |i| w.puts i }; exit! 3 }; w.close; puts r.read.split.map(&:to_i).sum; Process.wait pid; puts $?.exitstatus
trap(:USR1) { puts 'usr1' }; Process.kill :USR1, $$; sleep 0.1
begin; Timeout.timeout(0.3) { sleep 5 }; rescue Timeout::Error; puts 'timeout'; end
f = Fiber.new { 3.times { |i| Fiber.yield i }; :end }; 4.times { puts f.resume.inspect }
GC.stress = false; 5.times { GC.start; ('a'..'zz').to_a.permutation(1).count }; puts `echo sub`
"""])


def case_tcl(c):
    c.same(["tclsh", c.write("w.tcl", r"""
set done 0; proc accept {ch a p} { fconfigure $ch -buffering line -blocking 0; fileevent $ch readable [list echo $ch] }
proc echo {ch} { if {[gets $ch l] >= 0} { puts $ch [string reverse $l] } elseif {[eof $ch]} { close $ch } }
set s [socket -server accept -myaddr 127.0.0.1 0]; set port [lindex [fconfigure $s -sockname] 2]
set c [socket 127.0.0.1 $port]; fconfigure $c -buffering line -blocking 0; set n 0
proc got {} { global c n done; if {[gets $c l] >= 0} { puts $l; incr n; if {$n >= 200} {set done 1} else { after 2 {puts $c "line $n"} } } }
fileevent $c readable got; puts $c start; vwait done
for {set i 0} {$i < 20} {incr i} { puts [exec echo $i | tr 0-9 a-j | cat] }
catch {exec sh -c {exit 4}} m o; puts [lindex [dict get $o -errorcode] 2]
set t0 [clock milliseconds]; after 300; puts [expr {[clock milliseconds] - $t0 >= 300}]
""")])


def case_perl(c):
    perl = c.need("perl")
    c.same([perl, "-e", r"""
use strict; $| = 1; my %h; my $x = 12345;
for my $round (1..60) {
  for (1..20000) { $x = ($x * 1103515245 + 12345) % 2147483648; $h{$x % 5003} .= chr(97 + $x % 26); }
  my $s = join ',', map { "$_=" . length $h{$_} } sort { $a <=> $b } keys %h;
  my $out = `echo $round | rev`; chomp $out;
  print "$round $out ", unpack('%32C*', $s), "\n"; select undef, undef, undef, 0.02;
}
my $pid = fork; if (!$pid) { exit 7 } waitpid $pid, 0; print $? >> 8, "\n";
"""])


def case_node(c):
    node = c.need("node")
    c.same([node, "-e", r"""
const crypto = require('crypto'), cp = require('child_process');
let round = 0, state = 'x', objects = [];
function step() {
  for (let i = 0; i < 3000; i++) { state = crypto.createHash('sha256').update(state).digest('hex'); objects[i % 997] = {state, i}; }
  console.log(round, state.slice(0, 16), Object.keys(objects).length);
  if (++round < 60) setTimeout(step, 20);
  else cp.exec('echo from a child', (e, out) => console.log(out.trim()));
}
step();
"""])


def case_node_server(c):
    node = c.need("node")
    c.same([node, "-e", r"""
const http = require('http'), {Worker, isMainThread} = require('worker_threads'), cp = require('child_process'), crypto = require('crypto'), fs = require('fs'), zlib = require('zlib');
const s = http.createServer((q, r) => { let b = []; q.on('data', d => b.push(d)).on('end', () => { r.end(crypto.createHash('md5').update(Buffer.concat(b)).digest('hex')); }); });
s.listen(0, '127.0.0.1', async () => {
  const port = s.address().port, agent = new http.Agent({keepAlive: true, maxSockets: 4});
  const ask = (i) => new Promise((ok, no) => { const body = 'x'.repeat(i * 37 % 50000); const q = http.request({port, host: '127.0.0.1', method: 'POST', agent}, r => { let t = ''; r.on('data', d => t += d).on('end', () => ok(t)); }); q.on('error', no); q.end(body); });
  let all = []; for (let r = 0; r < 40; r++) { all.push(...await Promise.all([...Array(8).keys()].map(k => ask(r * 8 + k)))); }
  console.log(crypto.createHash('md5').update(all.join('')).digest('hex'));
  const w = await Promise.all([1,2,3].map(n => new Promise((ok, no) => { const w = new Worker(`const {parentPort, workerData} = require('worker_threads'); let x = workerData; for (let i = 0; i < 3e7; i++) x = (x * 16807) % 2147483647; parentPort.postMessage(x);`, {eval: true, workerData: n}); w.on('message', ok); w.on('error', no); })));
  console.log(w);
  for (let i = 0; i < 10; i++) console.log(cp.execFileSync('rev', {input: 'abc' + i}).toString().trim());
  await new Promise(ok => { const c = process.env.TMPDIR + '/child.js'; fs.writeFileSync(c, "process.on('message', m => { process.send(m * 2); if (m == 49) process.disconnect(); })"); const p = cp.fork(c); let n = 0; p.on('message', m => { n += m; }); p.on('exit', (code) => { console.log('child', n, code); ok(); }); for (let i = 0; i < 50; i++) p.send(i); });
  const f = process.env.TMPDIR + '/nf'; fs.writeFileSync(f, 'y'.repeat(3000000)); await new Promise(ok => fs.createReadStream(f).pipe(zlib.createGzip()).pipe(fs.createWriteStream(f + '.gz')).on('finish', ok)); console.log(zlib.gunzipSync(fs.readFileSync(f + '.gz')).length);
  let t = Date.now(); await new Promise(ok => setTimeout(ok, 300)); console.log(Date.now() - t >= 299);
  s.close(); agent.destroy();
});
"""])


JAVA = r"""
import java.util.*; import java.util.concurrent.*; import java.security.*;
public class Work {
  public static void main(String[] a) throws Exception {
    ExecutorService pool = Executors.newFixedThreadPool(3); Map<Integer, String> out = new ConcurrentHashMap<>();
    for (int round = 0; round < 60; round++) {
      List<Future<String>> futures = new ArrayList<>();
      for (int k = 0; k < 6; k++) { final int n = round * 6 + k; futures.add(pool.submit(() -> {
        MessageDigest d = MessageDigest.getInstance("SHA-256"); byte[] b = Integer.toString(n).getBytes();
        for (int i = 0; i < 5000; i++) b = d.digest(b);
        List<int[]> garbage = new ArrayList<>(); for (int i = 0; i < 500; i++) garbage.add(new int[100]);
        return String.format("%02x%02x%02x", b[0], b[1], b[2]); })); }
      StringBuilder s = new StringBuilder(); for (Future<String> f : futures) s.append(f.get()).append(' ');
      System.out.println(round + " " + s); Thread.sleep(15);
    }
    pool.shutdown();
  }
}
"""


def case_java(c):
    java, _ = c.need("java", "javac")
    c.write("Work.java", JAVA)
    c.unmoved(["javac", "Work.java"])
    c.same([java, "-Xmx128m", "-cp", c.directory, "Work"])


def case_java_net(c):
    c.need("javac")
    c.write("Net.java", r"""
import java.net.*; import java.io.*; import java.util.*; import java.util.concurrent.*; import java.util.stream.*;
public class Net { 
  static class Sum extends RecursiveTask<Long> { int a, b; Sum(int a, int b) { this.a = a; this.b = b; } protected Long compute() { if (b - a < 1000) { long s = 0; for (int i = a; i < b; i++) s += (long) i * i % 1009; return s; } Sum l = new Sum(a, (a + b) / 2), r = new Sum((a + b) / 2, b); l.fork(); return r.compute() + l.join(); } }
  public static void main(String[] x) throws Exception {
    ServerSocket s = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    Thread t = new Thread(() -> { try { while (true) { Socket c = s.accept(); new Thread(() -> { try (c) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); PrintWriter w = new PrintWriter(c.getOutputStream(), true); String l; while ((l = r.readLine()) != null) w.println(new StringBuilder(l).reverse()); } catch (IOException e) { System.out.println(e); } }).start(); } } catch (IOException e) { } }); t.setDaemon(true); t.start();
    ExecutorService p = Executors.newCachedThreadPool(); List<Future<Integer>> f = new ArrayList<>();
    for (int k = 0; k < 6; k++) { final int n = k; f.add(p.submit(() -> { int ok = 0; try (Socket c = new Socket(InetAddress.getLoopbackAddress(), s.getLocalPort())) { BufferedReader r = new BufferedReader(new InputStreamReader(c.getInputStream())); PrintWriter w = new PrintWriter(c.getOutputStream(), true); for (int i = 0; i < 200; i++) { String m = n + " message " + i; w.println(m); if (new StringBuilder(m).reverse().toString().equals(r.readLine())) ok++; Thread.sleep(1); } } return ok; })); }
    for (Future<Integer> g : f) System.out.println(g.get()); p.shutdown();
    for (int i = 0; i < 20; i++) System.out.println(ForkJoinPool.commonPool().invoke(new Sum(0, 2000000)));
    System.out.println(IntStream.range(0, 1000000).parallel().mapToLong(i -> (long) i * i % 7).sum());
    Process q = new ProcessBuilder("sort", "-n").start(); try (PrintWriter w = new PrintWriter(q.getOutputStream())) { for (int i = 0; i < 2000; i++) w.println(i * 7919 % 2003); } System.out.println(new BufferedReader(new InputStreamReader(q.getInputStream())).lines().collect(Collectors.joining(",")).hashCode() + " " + q.waitFor());
    long t0 = System.nanoTime(); Thread.sleep(300); System.out.println((System.nanoTime() - t0) / 1000000 >= 300);
    Timer tm = new Timer(true); CountDownLatch cd = new CountDownLatch(20); tm.schedule(new TimerTask() { public void run() { cd.countDown(); } }, 5, 10); System.out.println(cd.await(20, TimeUnit.SECONDS));
  } }
""")
    c.unmoved(["javac", "Net.java"])
    c.same(["java", "-Xmx200m", "-cp", c.directory, "Net"])


GO = r"""
package main
import ("crypto/sha256"; "fmt"; "os/exec"; "time")
func main() {
  in, out := make(chan int), make(chan [32]byte, 8)
  for w := 0; w < 4; w++ { go func() { for n := range in { h := sha256.Sum256([]byte(fmt.Sprint(n))); for i := 0; i < 4000; i++ { h = sha256.Sum256(h[:]) }; out <- h } }() }
  for round := 0; round < 80; round++ {
    go func() { for k := 0; k < 8; k++ { in <- round*8 + k } }()
    var x [32]byte
    for k := 0; k < 8; k++ { h := <-out; for i := range x { x[i] ^= h[i] } }
    fmt.Printf("%d %x\n", round, x[:6]); time.Sleep(15 * time.Millisecond)
  }
  b, err := exec.Command("echo", "from a child").Output(); fmt.Print(string(b), err, "\n")
}
"""


def case_go_static(c):
    go = c.need("go")
    source = c.write("work.go", GO)
    subprocess.run([go, "build", "-o", c.path("work"), source], check=True, timeout=300,
                   env={**c.environment, "CGO_ENABLED": "0", "GOCACHE": c.path("gocache"), "GOFLAGS": "-mod=mod", "GO111MODULE": "off"})
    c.same([c.path("work")])
