// What the user sees: prompts and progress on a terminal, plain lines elsewhere, JSON with --json.
import { stripVTControlCharacters } from 'node:util';
import { confirm, isCancel, multiselect, spinner } from '@clack/prompts';
import { CopyError } from './errors.ts';

export interface Terminal {
  /** Whether the user can be asked. */
  isInteractive: boolean;
  /** A block of text; nothing with --json. */
  say(text: string): void;
  /** The result of the command, for --json. */
  result(value: object): void;
  /**
   * Asks, unless `yes` is given.
   * @throws CopyError `cancelled`; `usage` where nobody can be asked
   */
  agree(question: string, yes: boolean): Promise<void>;
  choose<T extends string>(
    question: string,
    options: { value: T; label: string }[],
    initial: T[],
  ): Promise<T[]>;
  /** Shows progress while `work` runs; `onLine` names the current step. */
  during(title: string, work: (onLine: (line: string) => void) => Promise<void>): Promise<void>;
}

export function createTerminal(json: boolean): Terminal {
  const { stdin, stdout } = process;
  const isInteractive = !json && stdin.isTTY && stdout.isTTY && !process.env['CI'];
  const say = (text: string) => {
    if (!json) stdout.write(`${text}\n`);
  };
  return {
    isInteractive,
    say,
    result: (value) => {
      if (json) stdout.write(`${JSON.stringify(value, null, 2)}\n`);
    },
    async agree(question, yes) {
      if (yes) return;
      if (!isInteractive) {
        throw new CopyError(
          'usage',
          'Nothing was changed. Add --yes to do this, or --dry-run to see more.',
        );
      }
      if ((await confirm({ message: question })) === true) return;
      throw new CopyError('cancelled', 'Cancelled. Nothing was changed.');
    },
    async choose(question, options, initial) {
      const chosen = await multiselect<string>({
        message: question,
        options,
        initialValues: initial,
        required: true,
      });
      if (isCancel(chosen)) throw new CopyError('cancelled', 'Nothing was changed.');
      return options.map(({ value }) => value).filter((value) => chosen.includes(value));
    },
    async during(title, work) {
      if (!isInteractive) {
        say(`${title} ...`);
        return work(() => {});
      }
      const progress = spinner();
      progress.start(title);
      try {
        await work((line) =>
          progress.message(`${title}: ${stripVTControlCharacters(line).slice(0, 60)}`),
        );
        progress.stop(title);
      } catch (error) {
        progress.error(title);
        throw error;
      }
    },
  };
}
