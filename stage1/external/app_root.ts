/** Where an external stage1 image finds its files and those of the apps, relative to the pod's directory (rkt 1.30's names). */

/** Where the image's files are seen. */
export const STAGE1_ROOT = "stage1/rootfs";

/** Where the apps' roots are seen. */
export const APP_ROOTS = `${STAGE1_ROOT}/opt/stage2`;

/** Where the root of an app is seen. */
export const appRoot = (app: string): string => `${APP_ROOTS}/${app}/rootfs`;
