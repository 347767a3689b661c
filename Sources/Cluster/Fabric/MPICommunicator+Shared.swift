internal import CMPIShims
internal import Glibc

/// Memory that the ranks of a host share.
extension MPICommunicator {
  package func allocateShared(byteCount: Int) throws(FabricError) -> [UnsafeMutableRawPointer]? {
    // A file system that is full would kill the rank that touches its memory: whoever asks for more than half of what
    // is left gets none, nor do the others.
    let hasRoom = ranksOnHost.count == 1 || byteCount * ranksOnHost.count <= Self.sharedMemoryAvailable() / 2
    guard try allReduceMin(hasRoom ? 1 : 0) == 1 else { return nil }
    var host: MPI_Comm? = cmpi_comm_null()
    try checkMPI(
      "MPI_Comm_split_type",
      MPI_Comm_split_type(world, Int32(MPI_COMM_TYPE_SHARED), Int32(rank.index), cmpi_info_null(), &host))
    try checkMPI("MPI_Comm_set_errhandler", MPI_Comm_set_errhandler(host, cmpi_errors_return()))
    var window: MPI_Win? = cmpi_win_null()
    var own: UnsafeMutableRawPointer?
    // Open MPI gives out memory that starts anywhere; mappings start at pages, so all processes round up alike.
    let padded = (byteCount + 4095) / 4096 * 4096 + 64
    let code = MPI_Win_allocate_shared(padded, 1, cmpi_info_null(), host, &own, &window)
    guard try allReduceMin(code == MPI_SUCCESS ? 1 : 0) == 1 else {
      // Where it failed on some hosts only, the rest keep theirs until the end: freeing is collective.
      if code == MPI_SUCCESS { windows.append((window, host)) }
      return nil
    }
    windows.append((window, host))
    var places: [UnsafeMutableRawPointer] = []
    for index in ranksOnHost.indices {
      var size: MPI_Aint = 0
      var unit: Int32 = 0
      var base: UnsafeMutableRawPointer?
      try checkMPI("MPI_Win_shared_query", MPI_Win_shared_query(window, Int32(index), &size, &unit, &base))
      guard let base else {
        throw .mpi(call: "MPI_Win_shared_query", code: 0, message: "no memory of \(ranksOnHost[index])")
      }
      places.append(base.alignedUp(toMultipleOf: 64))
    }
    // Touched by its owner, so that it is there and near.
    if let own { memset(own, 0, padded) }
    try barrier()
    return places
  }

  func freeWindows() throws(FabricError) {
    for (window, host) in windows {
      var (window, host) = (window, host)
      try checkMPI("MPI_Win_free", MPI_Win_free(&window))
      try checkMPI("MPI_Comm_free", MPI_Comm_free(&host))
    }
    windows.removeAll()
  }

  /// Bytes left where shared memory comes from.
  private static func sharedMemoryAvailable() -> Int {
    var status = statvfs()
    guard statvfs("/dev/shm", &status) == 0 else { return 0 }
    return Int(clamping: UInt64(status.f_bavail) &* UInt64(status.f_frsize))
  }
}
