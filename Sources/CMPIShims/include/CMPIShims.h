// Names for the parts of mpi.h that Swift cannot import: its predefined handles are function-like macros and cast
// pointers.
#ifndef C_MPI_SHIMS_H
#define C_MPI_SHIMS_H
#include <mpi.h>

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
CMPI_SHIM MPI_Errhandler cmpi_errors_return(void) { return MPI_ERRORS_RETURN; }
#pragma clang assume_nonnull end
#endif
