internal import CMPIShims

/// A pointer to be valid where MPI wants one although nothing is there: it must not be NULL for a count of zero in
/// some libraries.
nonisolated(unsafe) private let nothing = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)

extension UnsafeRawBufferPointer {
  var addressForMPI: UnsafeRawPointer { baseAddress ?? UnsafeRawPointer(nothing) }
}

extension UnsafeMutableRawBufferPointer {
  var addressForMPI: UnsafeMutableRawPointer { baseAddress ?? nothing }
}

/// Turns a code other than MPI_SUCCESS into the library's own words.
func checkMPI(_ call: StaticString, _ code: Int32) throws(FabricError) {
  guard code == MPI_SUCCESS else { throw mpiError("\(call)", code) }
}

/// The library's own words for a code that `call` returned; MPI must have been started.
package func mpiError(_ call: String, _ code: Int32) -> FabricError {
  let capacity = Int(MPI_MAX_ERROR_STRING)
  let message = String(unsafeUninitializedCapacity: capacity) { text in
    text.initialize(repeating: 0)
    var length: Int32 = 0
    let asked = text.withMemoryRebound(to: CChar.self) { MPI_Error_string(code, $0.baseAddress, &length) }
    return asked == MPI_SUCCESS ? max(0, min(Int(length), capacity)) : 0
  }
  return .mpi(call: call, code: code, message: message.isEmpty ? "no description" : message)
}
