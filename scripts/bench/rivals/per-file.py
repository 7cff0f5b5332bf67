"""One pass over all processes as psutil makes it: a file for each fact, read as text. Prints their number."""
import os


def read(path):
    with open(path, encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


rows = []
for name in os.listdir('/proc'):
    if not name.isdigit():
        continue
    try:
        stat = read(f'/proc/{name}/stat')
        rss = int(read(f'/proc/{name}/statm').split()[1])
        status = read(f'/proc/{name}/status')
        score = int(read(f'/proc/{name}/oom_score'))
        adj = int(read(f'/proc/{name}/oom_score_adj'))
        uid = [line for line in status.splitlines() if line.startswith('Uid:')][0].split()[1]
        comm = stat[stat.index('(') + 1:stat.rindex(')')]
    except (FileNotFoundError, ProcessLookupError):
        continue
    rows.append((score, adj, int(name), comm, rss, uid))
rows.sort(reverse=True)
print(len(rows))
