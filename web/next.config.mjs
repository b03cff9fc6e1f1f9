/** @type {import("next").NextConfig} A static export: headers, redirects and the API are the gateway's. */
export default {
  output: "export",
  reactStrictMode: true,
  poweredByHeader: false,
  devIndicators: false,
};
