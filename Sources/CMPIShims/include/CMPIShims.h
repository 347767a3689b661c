#ifndef C_MPI_SHIMS_H
#define C_MPI_SHIMS_H
#include <mpi.h>
#endif
