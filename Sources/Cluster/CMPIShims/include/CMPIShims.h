// Names for the parts of mpi.h that Swift cannot import: its predefined handles are function-like macros and cast
// pointers.
#ifndef C_MPI_SHIMS_H
#define C_MPI_SHIMS_H
#include <mpi.h>
#include <stdint.h>

#define CMPI_SHIM static inline __attribute__((__always_inline__))

#pragma clang assume_nonnull begin
CMPI_SHIM MPI_Comm cmpi_comm_world(void) { return MPI_COMM_WORLD; }
CMPI_SHIM MPI_Comm cmpi_comm_null(void) { return MPI_COMM_NULL; }
CMPI_SHIM MPI_Info cmpi_info_null(void) { return MPI_INFO_NULL; }
CMPI_SHIM MPI_Request cmpi_request_null(void) { return MPI_REQUEST_NULL; }
CMPI_SHIM MPI_Datatype cmpi_byte(void) { return MPI_BYTE; }
CMPI_SHIM MPI_Datatype cmpi_int64(void) { return MPI_INT64_T; }
CMPI_SHIM MPI_Op cmpi_max(void) { return MPI_MAX; }
CMPI_SHIM MPI_Op cmpi_min(void) { return MPI_MIN; }
CMPI_SHIM MPI_Op cmpi_sum(void) { return MPI_SUM; }
CMPI_SHIM MPI_Win cmpi_win_null(void) { return MPI_WIN_NULL; }
// Numbers in memory that several processes share.
CMPI_SHIM uint64_t cmpi_load_acquire(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
CMPI_SHIM void cmpi_store_release(uint64_t *at, uint64_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }
CMPI_SHIM MPI_Errhandler cmpi_errors_return(void) { return MPI_ERRORS_RETURN; }
#pragma clang assume_nonnull end
#endif
