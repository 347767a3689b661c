internal import Bytes
private import CHost
private import Glibc

/// The file that this process runs.
package enum ProgramFile {
  /// Its path with links resolved; nil where the kernel does not tell.
  package static var path: String? {
    var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    return count > 0 ? String(decoding: buffer.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
  }

  /// Sixteen hexadecimal digits that tell this build from others: of the file as it was when the process started, read
  /// through once. Two builds of one source may differ.
  package static func build() throws(MachineError) -> String {
    var digest: UInt64 = 0
    let error = host_file_digest("/proc/self/exe", &digest)
    guard error == 0 else { throw .system("reading /proc/self/exe", error) }
    return Digits.hexadecimal(digest)
  }
}
