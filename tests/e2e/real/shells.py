"""Shells and build tools."""

import os
import random

from case import Failed, compare
from driver import CommandError


def case_bash_pipelines(c):
    script = c.write("work.sh", r"""
total=0
for i in $(seq 1 40); do
  sum=$(seq 1 4000 | awk -v k=$i '{ print ($1 * 7919 + k) % 10007 }' | sort -rn | uniq -c | sed 's/^ *//' | md5sum | cut -c1-8)
  total=$((total + 0x$sum % 1000))
  echo "$i $sum $total $(echo "$sum" | tr a-f A-F)"
  printf '%s\n' "$sum" >> log.$$; wc -l < log.$$
done
( trap 'echo trapped' TERM; kill -TERM $BASHPID; echo in subshell ); f() { local x=$1; [ $x -le 1 ] && echo 1 || echo $((x * $(f $((x - 1))))); }
f 9; rm log.$$; echo done
""")
    c.same(["bash", script])


def case_dash_pipelines(c):
    c.same(["sh", "-c", "i=0; while [ $i -lt 60 ]; do seq 1 3000 | grep 7 | tail -n 3 | tr '\\n' ' '; i=$((i+1)); done; echo $i"])


def case_bash_features(c):
    """Coprocesses, process substitution, traps, job control, wait."""
    script = c.write("features.sh", r"""
coproc C { while read l; do echo "got $l"; [ "$l" = end ] && break; done; }
for i in 1 2 3 4 5; do echo "m$i" >&${C[1]}; read -u ${C[0]} r; echo "$r"; /bin/sleep 0.05; done
echo end >&${C[1]}; read -u ${C[0]} r; echo $r; wait $C_PID; echo co $?
cat <<X
here $((6*7)) $(echo sub)
X
cat <<<"string"; diff <(seq 1 200) <(seq 1 201); echo d $?
for i in 1 2 3; do (sleep 0.$i; exit $i) & p[$i]=$!; done; for i in 1 2 3; do wait ${p[$i]}; echo w $?; done
trap 'echo usr1' USR1; trap 'echo chld' CHLD; kill -USR1 $$; sleep 0.1 & wait; trap - CHLD; trap 'echo exit' EXIT
(trap 'echo sub term; exit 9' TERM; sleep 2 & wait) & s=$!; sleep 0.5; kill $s; wait $s; echo s $?
sleep 100 & k=$!; kill -9 $k; wait $k 2>/dev/null; echo $?; set -o pipefail; false | true; echo pf $?
yes | head -3000 | tail -1; echo ${PIPESTATUS[*]}
set -m; sleep 0.3 & wait %1; echo $?; sh -c 'kill -STOP $$; echo resumed' & sleep 0.4; jobs -l | awk '{print $1,$3}'
kill -CONT %%; wait %%; echo c $?; set +m; read -t 0.2 x < <(sleep 1); echo rt $(($? > 128))
ulimit -n 50; ulimit -n; mapfile -t a < <(seq 1 500); echo ${#a[@]}; printf '%s\n' "${a[@]}" | sort -rn | head -2
exec 3> >(cat); echo through >&3; exec 3>&-; wait; sleep 2; exit 77
""")
    expected = c.unmoved(["bash", script], status=77)
    c.until_moved_enough(lambda: compare(c.moved(["bash", script], at_least=0, status=77), expected))


def case_low_limits(c):
    """Limits that leave no room for whoever moves the program: it says so, and works on."""
    go = c.path("go")
    work = ["bash", "-c", f"while [ ! -e {go} ]; do sleep 0.1; done; echo done | rev; exit 7"]
    for option, amount in (("n", 12), ("f", 1), ("v", 40000)):
        job = c.start(work, wrapped=["bash", "-c", f'ulimit -{option} {amount}; exec "$@"', "bash"])
        job.wait_for_start()
        try:
            job.migrate(job.pid, c.nodes[0])
            raise Failed(f"it moved with ulimit -{option} {amount}")
        except CommandError as e:
            if not e.is_cantmove() or f"ulimit -{option}" not in e.reason:
                raise Failed(f"ulimit -{option} {amount}: {e}") from None
        c.write("go", "")
        compare(c.finish(job, None, status=7), b"enod\n")
        os.unlink(go)


def case_git(c):
    c.need("git")
    c.same(["bash", "-c", r"""
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_CONFIG_NOSYSTEM=1
set -e
d=$(mktemp -d); cd $d; git init -q -b main r; cd r
for i in $(seq 1 12); do for k in $(seq 1 20); do echo "line $i $k" >> f$k; done; git add -A; git commit -qm "commit $i"; done
git checkout -qb topic HEAD~6; echo topic > t; git add t; git commit -qm topic; echo 2 >> t; git commit -qam topic2
git rebase -q main; git log --oneline | md5sum; git fsck --full 2>&1
git gc -q --aggressive; git fsck; git count-objects -v | grep -v size
git grep -n 'line 7' | sort | md5sum
cd ..; git clone -q --no-local r c; cd c; git log --format=%H origin/topic | md5sum; git diff --stat origin/main origin/topic | cat
git bundle create -q ../b --all; git clone -q ../b ../d; git -C ../d rev-parse HEAD; git blame f3 | md5sum; git stash list; git archive HEAD | tar t | wc -l
cd /; rm -rf $d; echo done
"""])


def case_rsync(c):
    c.need("rsync")
    c.same(["bash", "-c", r"""
set -e
d=$(mktemp -d); cd $d; mkdir -p a/linux; cp /usr/include/linux/*.h a/linux; rsync -a a/ b/; diff -r a b && echo same
echo more >> a/linux/fs.h; touch -r b/linux/fs.h a/linux/fs.h; rsync -avc --itemize-changes a/ b/ | grep fs.h; diff -r a b && echo same; rsync -a --delete --checksum -z a/linux/ b/; diff -r a/linux b && echo same3
rm -rf $d
"""])


def case_make(c):
    c.need("make", "gcc")

    def project(name):
        c.directory_for(name)
        rng = random.Random(1)
        for i in range(16):
            body = "".join(f"long f{i}_{k}(long x) {{ long r = x; for (long j = 0; j < {rng.randrange(5, 90)}; j++) "
                           f"r = r * {rng.randrange(3, 99)} + (r >> {rng.randrange(1, 13)}) + j; return r; }}\n" for k in range(120))
            c.write(f"{name}/f{i}.c", body)
        c.write(f"{name}/main.c", "#include <stdio.h>\n" + "".join(f"long f{i}_0(long);\n" for i in range(16))
                + "int main(void) { long r = 1;\n" + "".join(f"r += f{i}_0(r);\n" for i in range(16))
                + 'printf("%ld\\n", r); return 0; }\n')
        c.write(f"{name}/Makefile", "OBJECTS = " + " ".join(f"f{i}.o" for i in range(16)) + " main.o\n"
                "prog: $(OBJECTS)\n\tgcc -o $@ $^\n%.o: %.c\n\tgcc -O2 -c -o $@ $<\n")
        return c.path(name)

    expected, got = project("a"), project("b")
    c.unmoved(["make", "-s", "-j2"], cwd=expected)

    def build():
        for name in os.listdir(got):
            if name.endswith(".o"):
                os.unlink(f"{got}/{name}")
        compare(c.moved(["make", "-s", "-j2"], at_least=0, cwd=got), b"")
    c.until_moved_enough(build)
    for name in [f"f{i}.o" for i in range(16)] + ["main.o"]:
        compare(open(f"{got}/{name}", "rb").read(), open(f"{expected}/{name}", "rb").read(), name)
    compare(c.unmoved(["./prog"], cwd=got), c.unmoved(["./prog"], cwd=expected), "the built program's output")


def case_gcc(c):
    c.need("gcc")
    rng = random.Random(2)
    text = "".join(f"double g{k}(double* a, int n) {{ double s = {k}; for (int i = 0; i < n; i++) "
                   f"{{ a[i] = a[i] * {rng.random():.6f} + s; s += a[i] / ({rng.randrange(2, 50)} + i % {rng.randrange(2, 9)}); }} "
                   f"return s > {rng.random():.4f} ? s : a[n / 2]; }}\n" for k in range(1500))
    source = c.write("big.c", text)
    c.unmoved(["gcc", "-O2", "-S", "-o", c.path("a.s"), source])
    c.until_moved_enough(lambda: c.moved(["gcc", "-O2", "-S", "-o", c.path("b.s"), source], at_least=0))
    compare(open(c.path("b.s"), "rb").read(), open(c.path("a.s"), "rb").read(), "the assembly")
