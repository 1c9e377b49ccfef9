"""Command-line tools that work with many processes, threads or files."""

from case import compare


def _same_often(c, command, **kwargs):
    expected = c.unmoved(command, **kwargs)
    c.until_moved_enough(lambda: compare(c.moved(command, at_least=0, **kwargs), expected))


def case_sqlite3_shell(c):
    """Transactions in a write-ahead log, which is memory that the file system shares."""
    c.need("sqlite3")
    script = c.write("work.sql", """
pragma journal_mode=delete; create table t(n integer primary key, s text, k integer);
with recursive c(x) as (select 1 union all select x + 1 from c where x < 60000)
  insert into t select x, hex(x * 7919), x % 97 from c;
create index i on t(k, s); select k, count(*), sum(n), min(s), max(s) from t group by k order by k;
begin; update t set s = s || '-' || k where k % 3 = 0; rollback; begin; delete from t where k % 5 = 0; commit;
select count(*), sum(length(s)) from t; vacuum; pragma integrity_check;
""")
    run = ["sh", "-c", f"rm -f t.db; sqlite3 t.db < {script}"]
    _same_often(c, run)


def case_lua(c):
    c.need("lua5.4")
    script = c.write("work.lua", """
local co = coroutine.wrap(function() local a, b = 0, 1 while true do coroutine.yield(a) a, b = b, (a + b) % 1000003 end end)
local t = {} for i = 1, 600000 do t[#t + 1] = co() end
table.sort(t) local h = 0 for i, v in ipairs(t) do h = (h * 31 + v) % 2147483647 end print(h)
for i = 1, 20 do local p = io.popen("echo " .. i .. " | rev") io.write(p:read("a")) print(p:close()) end
local s = string.rep("abc", 100000):gsub("b", function(x) return "<" .. x .. ">" end) print(#s, collectgarbage("count") > 0)
os.exit(0)
""")
    _same_often(c, ["lua5.4", script])


def case_php(c):
    c.need("php")
    script = c.write("work.php", """<?php
$h = hash_init('sha256'); for ($i = 0; $i < 30000; $i++) hash_update($h, str_repeat(chr($i % 256), 200)); echo hash_final($h), "\\n";
$p = []; for ($i = 0; $i < 8; $i++) { $p[$i] = proc_open("sleep 0.$i; echo $i | md5sum; exit $i", [1 => ['pipe', 'w']], $pipes[$i]); }
foreach ($p as $i => $q) { echo stream_get_contents($pipes[$i][1]); echo proc_close($q), "\\n"; }
$a = range(1, 50000); usort($a, fn($x, $y) => ($x * 7919) % 10007 <=> ($y * 7919) % 10007); echo json_encode(array_slice($a, 0, 5)), "\\n";
$t = hrtime(true); for ($i = 0, $bad = 0; $i < 200000; $i++) { $n = hrtime(true); if ($n < $t) $bad++; $t = $n; } echo $bad, "\\n";
""")
    _same_often(c, ["php", "-n", script])


def case_zsh(c):
    c.need("zsh")
    script = c.write("work.zsh", r"""
setopt extendedglob; zmodload zsh/datetime zsh/system
for i in {1..30}; do print -l $(seq $i 200 4000) | while read -r n; do (( s += n )); done; print $i $s; done
TRAPUSR1() { print usr1 }; for i in {1..5}; do kill -USR1 $$; sleep 0.05; done
files=(f{1..50}.txt); for f in $files; print $f > $f; print ${#${(f)"$(cat f*.txt(n))"}} ${$(ls f*.txt(On) | head -1)}
() { local -A m; for k in {a..z}; m[$k]=$(( #k )); print ${(kv)m[(I)[aeiou]]} | tr ' ' '\n' | sort | xargs }; always=1
{ print try; false } always { print always $always }; wait; rm -f f*.txt; exit 0
""")
    _same_often(c, ["zsh", "-f", script])


def case_busybox_shell(c):
    c.need("busybox")
    _same_often(c, ["busybox", "sh", "-c", "i=0; while [ $i -lt 80 ]; do busybox seq 1 2000 | busybox awk '{s+=$1*'$i'} END {print s}'"
                    " | busybox md5sum; busybox dd if=/dev/zero bs=4k count=20 2>/dev/null | busybox gzip -c | busybox gunzip -c"
                    " | busybox wc -c; i=$((i+1)); done"])


def case_find_xargs(c):
    """Processes side by side that others feed."""
    run = ["sh", "-c", "rm -rf d; mkdir d; cd d; for i in $(seq 1 300); do seq 1 $i > f$i; done;"
           " for r in 1 2 3 4 5; do find . -type f -print0 | sort -z | xargs -0 -P 4 -n 10 cksum | sort | cksum;"
           " find . -name 'f*7' -exec sh -c 'wc -l < $1' _ {} \\; | sort -n | tail -1; done"]
    _same_often(c, run)


def case_bc_factors(c):
    c.need("bc")
    _same_often(c, ["sh", "-c", "for i in 1 2 3 4 5 6; do echo \"scale=$((i*150)); 4*a(1); e(1); sqrt($i)\" | bc -l | cksum; done;"
                    " seq 1000000007 2 1000000407 | factor | awk 'NF==2' | cksum; seq 1 30000 | factor | cksum"])


def case_compressors(c):
    """Threads that share buffers, and pipes between them."""
    c.need("zstd", "pigz")
    _same_often(c, ["sh", "-c", "seq 1 900000 > in; for r in 1 2; do zstd -q -T2 -10 -c in | zstd -q -dc | cksum;"
                    " pigz -p 3 -c in | pigz -dc | cksum; bzip2 -c in | bunzip2 -c | cksum; tar cf - in | gzip -1 | tar xzOf - | cksum;"
                    " done; rm in"])


def case_python_processes(c):
    """multiprocessing with pools and queues, asyncio with subprocesses, timeouts, signals by interval timers."""
    script = c.write("work.py", """
import asyncio, concurrent.futures as cf, hashlib, multiprocessing as mp, os, queue, signal, subprocess, sys, threading, time
def work(n):
    h = hashlib.sha256(str(n).encode())
    for _ in range(2000): h.update(h.digest())
    return n, h.hexdigest()[:8]
def feed(q, n):
    for i in range(n): q.put(i)
    q.put(None)
async def main():
    async def one(i):
        p = await asyncio.create_subprocess_exec('sh', '-c', f'sleep 0.0{i}; echo {i} | tr 0-9 a-j; exit {i}', stdout=-1)
        out, _ = await p.communicate()
        return out.decode().strip(), p.returncode
    print(await asyncio.gather(*(one(i) for i in range(10))))
    try: await asyncio.wait_for(asyncio.sleep(5), 0.2)
    except asyncio.TimeoutError: print('timeout')
    server = await asyncio.start_server(lambda r, w: echo(r, w), '127.0.0.1', 0)
    async def echo(r, w):
        w.write((await r.readline()).upper()); await w.drain(); w.close()
    for i in range(20):
        r, w = await asyncio.open_connection(*server.sockets[0].getsockname())
        w.write(b'line %d\\n' % i); assert await r.readline() == b'LINE %d\\n' % i; w.close()
    server.close(); print('served')
if __name__ == '__main__':
    ticks = []
    signal.signal(signal.SIGALRM, lambda *_: ticks.append(1)); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    with mp.get_context('fork').Pool(3) as pool: print(pool.map(work, range(40), chunksize=3)[-3:])
    q = mp.Queue(); p = mp.Process(target=feed, args=(q, 3000)); p.start()
    print(sum(iter(q.get, None))); p.join(); print(p.exitcode)
    with cf.ThreadPoolExecutor(4) as pool: print(sum(int(h, 16) for _, h in pool.map(work, range(60))) % 10007)
    try: subprocess.run(['sleep', '9'], timeout=0.3)
    except subprocess.TimeoutExpired: print('expired')
    signal.setitimer(signal.ITIMER_REAL, 0); print(len(ticks) > 10)
    asyncio.run(main())
    done = threading.Event(); t = threading.Timer(0.2, done.set); t.start(); print(done.wait(5))
""")
    _same_often(c, [c.need("/usr/bin/python3"), "-u", script])


def case_configure(c):
    """A configure script and what it makes: thousands of short processes."""
    c.need("autoreconf", "make", "gcc")
    c.write("p/configure.ac", "AC_INIT([p],[1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CHECK_HEADERS([stdio.h unistd.h])\n"
            "AC_CHECK_FUNCS([fork])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n")
    c.write("p/Makefile.am", "bin_PROGRAMS = p\np_SOURCES = p.c\n")
    c.write("p/p.c", "#include <stdio.h>\nint main(void) { puts(\"made\"); return 0; }\n")
    run = ["sh", "-c", "cd p && autoreconf -fi >/dev/null 2>&1 && ./configure -q && make -s 2>&1 | grep -v '^ ' ; ./p && grep -c yes config.log"]
    _same_often(c, run)


def case_apt_cache(c):
    """Children that decompress package lists into pipes, of which it builds a cache in memory."""
    c.need("apt-cache")
    _same_often(c, ["sh", "-c", "apt-cache depends --recurse bash | md5sum"])


def case_git(c):
    """A repository: many short children, packing on several threads, locks, renames."""
    c.need("git")
    script = c.write("work.sh", r"""
set -e
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null HOME=$PWD
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z'
rm -rf r clone; git init -q -b main r; cd r; git config user.name N; git config user.email e@example.org
for n in 1 2 3 4 5 6; do
    for f in $(seq 1 40); do seq $f $n $((f * n * 50)) > file$f.txt; done
    git add -A; git commit -qm "commit $n"; git branch b$n
done
git checkout -q b3; echo side > side.txt; git add side.txt; git commit -qm side; git checkout -q main; git merge -q -m merge b3
git repack -adq --threads=3 --window=20; git fsck --strict --no-progress; git log --stat --format=%H | md5sum
git clone -q . ../clone; cd ../clone; git log -p --format=%s | md5sum; git grep -c 99 HEAD | md5sum; git archive HEAD | md5sum
""")
    _same_often(c, ["sh", script])
