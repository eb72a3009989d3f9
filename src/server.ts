// The entry point. It handles SIGTERM and SIGINT before loading anything else: an instance stopped
// while starting would otherwise count as crashed. process/main.ts does the rest.
import { closeOnSignal } from './process/shutdown.ts';

let starting: Promise<() => Promise<void>> | undefined;

closeOnSignal(async () => {
  const close = await starting;
  await close?.();
});

const { main } = await import('./process/main.ts');
starting = main();
await starting;
