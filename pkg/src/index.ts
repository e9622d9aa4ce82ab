// From the npm package's name to what it offers.

/** The version of this package. */
export const version = "0.1.0";
