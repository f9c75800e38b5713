/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LACUNA_EXPORT_H_
#define LACUNA_EXPORT_H_

/* Marks the functions of the C interface; everything else in the library is hidden. */
#if defined(__GNUC__)
#define LACUNA_API __attribute__((visibility("default")))
#else
#define LACUNA_API
#endif

#endif /* LACUNA_EXPORT_H_ */
