// TypeScript in components needs no preprocessor: Svelte strips the types itself.
export default { compilerOptions: { runes: true } };
