internal import CMPIShims

extension Launch {
  /// Name and version of the MPI library this process uses: "Open MPI v4.1.4". To be had before a run is joined, too.
  package static var libraryVersion: String {
    let capacity = Int(MPI_MAX_LIBRARY_VERSION_STRING)
    let text = String(unsafeUninitializedCapacity: capacity) { text in
      text.initialize(repeating: 0)
      var length: Int32 = 0
      let code = text.withMemoryRebound(to: CChar.self) { MPI_Get_library_version($0.baseAddress, &length) }
      return code == MPI_SUCCESS ? max(0, min(Int(length), capacity)) : 0
    }
    // Who packed it, and what not, follows.
    return String(text.prefix { $0 != "," && !$0.isNewline && $0 != "\0" })
  }
}
