/**
 * Packages of any Debian suite, from the archive that this machine's apt uses. The configuration and the packages of
 * this machine do not change: apt runs with settings and state in a separate directory.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { LabError } from './error.ts';
import { find } from './tools.ts';

const PAUSES_MS = [2000, 8000];
const KEYRINGS = ['/usr/share/keyrings/debian-archive-keyring.gpg', '/usr/share/keyrings/debian-archive-keyring.pgp'];

const run = promisify(execFile);

/** Runs apt for one suite, with its state in `directory`. */
export class Suite {
  readonly name: string;
  readonly #directory: string;
  readonly #options: string[];

  private constructor(name: string, directory: string, architecture: string | undefined) {
    this.name = name;
    this.#directory = directory;
    const settings = {
      'Dir::Etc::SourceList': join(directory, 'sources.list'),
      'Dir::Etc::SourceParts': '/dev/null',
      'Dir::State': join(directory, 'state'),
      'Dir::State::status': join(directory, 'status'),
      'Dir::Cache': join(directory, 'cache'),
      'Acquire::Retries': '3',
      'Acquire::http::Timeout': '30',
      'Acquire::Languages': 'none',
      'APT::Sandbox::User': '', // the user _apt could not write here
      ...(architecture !== undefined && { 'APT::Architecture': architecture, 'APT::Architectures::': architecture }),
    };
    this.#options = Object.entries(settings).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  }

  /**
   * Reads the suite's package list.
   *
   * @param architecture as Debian names it; this machine's unless given
   * @param sources also reads the list of source packages
   * @throws LabError NO_KERNEL, NOT_INSTALLED
   */
  static async open(
    name: string,
    directory: string,
    { architecture, sources = false }: { architecture?: string | undefined; sources?: boolean } = {},
  ): Promise<Suite> {
    if (!find('apt-get')) {
      throw new LabError(
        'NOT_INSTALLED',
        "Kernels come from Debian's archive by apt-get, which is not installed here.",
      );
    }
    for (const needed of ['state/lists/partial', 'cache/archives/partial']) {
      mkdirSync(join(directory, needed), { recursive: true });
    }
    const keyring = KEYRINGS.find((path) => existsSync(path));
    const place = `${keyring ? `[signed-by=${keyring}] ` : ''}${await debianArchive()} ${name} main\n`;
    writeFileSync(join(directory, 'sources.list'), `deb ${place}${sources ? `deb-src ${place}` : ''}`);
    writeFileSync(join(directory, 'status'), '');
    const suite = new Suite(name, directory, architecture);
    // Without this option a failed download is a warning.
    await suite.#apt('apt-get', '-qq', '-o', 'APT::Update::Error-Mode=any', 'update');
    return suite;
  }

  /** Names of the packages that a package depends on. */
  async depends(name: string): Promise<string[]> {
    const output = await this.#apt('apt-cache', 'depends', '--important', name);
    return [...output.matchAll(/^\s*\|?(?:Pre)?Depends: (\S+)/gm)].map((match) => match[1] ?? '');
  }

  /** @returns paths of the .deb files */
  async download(names: readonly string[]): Promise<string[]> {
    await this.#apt('apt-get', '-qq', 'download', ...names);
    return readdirSync(this.#directory)
      .filter((file) => file.endsWith('.deb'))
      .map((file) => join(this.#directory, file));
  }

  /** @returns paths of the source archives and of their .dsc files */
  async downloadSources(names: readonly string[]): Promise<string[]> {
    await this.#apt('apt-get', '-qq', 'source', '--download-only', ...names);
    return readdirSync(this.#directory)
      .filter((file) => /\.(dsc|tar\.\w+|tar\.\w+\.asc)$/.test(file))
      .map((file) => join(this.#directory, file));
  }

  async #apt(program: string, ...words: string[]): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      try {
        const options = { cwd: this.#directory, maxBuffer: 2 ** 26, env: { ...process.env, LC_ALL: 'C' } };
        return (await run(program, [...this.#options, ...words], options)).stdout;
      } catch (cause) {
        const pause = PAUSES_MS[attempt];
        if (pause === undefined) {
          const detail = String((cause as { stderr?: unknown }).stderr ?? cause);
          throw new LabError('NO_KERNEL', `Cannot read or download packages of Debian's suite ${this.name}.`, {
            cause,
            detail,
          });
        }
        await sleep(pause);
      }
    }
  }
}

/** The archive that this machine's apt uses for Debian. */
export async function debianArchive(): Promise<string> {
  const places = await indexTargets();
  // Before the first `apt-get update`, apt knows the addresses but no labels. Then the path decides.
  const place =
    places.find(({ label, component }) => label === 'Debian' && component === 'main') ??
    places.find(({ uri, label }) => label === '' && /\/debian\/?$/.test(uri));
  if (place) return place.uri;
  throw new LabError('NO_KERNEL', "Kernels come from Debian's archive, and this machine's apt has no such source.");
}

async function indexTargets(): Promise<{ uri: string; label: string; component: string }[]> {
  const format = '$(REPO_URI) $(COMPONENT) $(LABEL)';
  const { stdout } = await run('apt-get', ['indextargets', '--format', format, 'Created-By: Packages']);
  return stdout.split('\n').map((line) => {
    const [uri = '', component = '', ...label] = line.split(' ');
    const words = label.join(' ');
    return { uri, component, label: words.startsWith('$(') ? '' : words };
  });
}
