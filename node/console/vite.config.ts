// The build: same sources, same bytes. No source maps, no time stamps, names by content.
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

/** Where the mock (or a node) answers while developing. */
const NODE = 'http://127.0.0.1:7480';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    outDir: 'dist',
    emptyOutDir: true,
    sourcemap: false,
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    cssCodeSplit: false,
    reportCompressedSize: true,
  },
  server: { proxy: { '/api': NODE, '/mock': NODE } },
});
