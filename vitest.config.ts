import { availableParallelism } from 'node:os';
import { configDefaults, defineConfig } from 'vitest/config';

/**
 * Two modes. `vitest run` is the quick loop: it leaves out `*.slow.test.ts` and runs few rounds of each property.
 * `vitest run --mode all` runs everything, against a fresh build, and leaves its report in `reports/`.
 */
export default defineConfig(({ mode }) => {
  const all = mode === 'all';
  return {
    resolve: { tsconfigPaths: true },
    test: {
      include: ['test/**/*.test.ts'],
      exclude: all ? configDefaults.exclude : [...configDefaults.exclude, '**/*.slow.test.ts'],
      typecheck: { enabled: true, include: ['test/types/**/*.test-d.ts'], tsconfig: './tsconfig.json' },
      // FC_RUNS is how often a property is tried: `numRuns: Number(process.env.FC_RUNS)`.
      env: { FC_RUNS: process.env.FC_RUNS ?? (all ? '1000' : '100') },
      pool: 'forks',
      // Many tests wait for other processes: on a small machine one worker would leave most of it idle.
      maxWorkers: Math.max(2, availableParallelism() - 1),
      execArgv: ['--expose-gc'],
      testTimeout: all ? 60_000 : 10_000,
      hookTimeout: 10_000,
      teardownTimeout: 10_000,
      restoreMocks: true,
      unstubEnvs: true,
      unstubGlobals: true,
      allowOnly: false,
      reporters: all ? ['default', ['json', { outputFile: 'reports/tests.json' }]] : ['default'],
      coverage: {
        provider: 'v8',
        include: ['src/core/**', 'src/pool/**'],
        reporter: ['text', 'html'],
        reportsDirectory: 'reports/coverage',
        thresholds: { lines: 95, branches: 95 },
      },
    },
  };
});
