// The entry. It hears SIGTERM and SIGINT before it loads anything: an instance may be told to stop
// while it starts, and without a handler that would count as a crash. process/main.ts does the rest.
import { closeOnSignal } from './process/shutdown.ts';

let starting: Promise<() => Promise<void>> | undefined;

closeOnSignal(async () => {
  const close = await starting;
  await close?.();
});

const { main } = await import('./process/main.ts');
starting = main();
await starting;
