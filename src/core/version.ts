/** The version of the package; a test holds it equal to that of the manifest. */
export const VERSION: string = '0.1.0';
