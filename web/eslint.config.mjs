import accessible from "eslint-plugin-jsx-a11y";
import hooks from "eslint-plugin-react-hooks";
import typescript from "typescript-eslint";

export default typescript.config(
  { ignores: [".next/", "out/", "node_modules/", "next-env.d.ts", "src/api/schema.d.ts"] },
  ...typescript.configs.strictTypeChecked,
  { languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } } },
  accessible.flatConfigs.strict,
  hooks.configs.flat["recommended-latest"],
  {
    rules: {
      // Numbers read well in a template.
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      "jsx-a11y/label-has-associated-control": ["error", { depth: 5 }],
      // Handlers of events may start work; what fails there is shown by whoever does it.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { attributes: false } }],
    },
  },
  { files: ["**/*.mjs"], ...typescript.configs.disableTypeChecked },
  // A test's `test(…)` returns a promise that its runner awaits.
  { files: ["tests/**"], rules: { "@typescript-eslint/no-floating-promises": "off" } },
);
