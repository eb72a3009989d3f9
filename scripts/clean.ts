// Empties dist before a package is made: the compiler leaves files there whose sources are gone.
import { rmSync } from 'node:fs';

rmSync('dist', { recursive: true, force: true });
