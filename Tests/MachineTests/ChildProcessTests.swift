import Glibc
import TestSupport
import Testing

@testable import Machine

@Suite struct ChildProcessTests {
  /// A shell that does this, with nothing to read.
  private func start(_ script: String, environment: [String] = []) throws -> Int32 {
    let null = open("/dev/null", O_RDWR | O_CLOEXEC)
    defer { close(null) }
    return try ChildProcess.start(
      ["/bin/sh", "-c", script], environment: environment, input: null, output: null, errors: null)
  }

  /// How it ended, which it may be asked again until it is waited for.
  private func end(of child: Int32) -> ChildProcess.End? {
    while ChildProcess.end(of: child) == nil { usleep(1000) }
    defer { waitpid(child, nil, 0) }
    return ChildProcess.end(of: child)
  }

  @Test(.timeLimit(.minutes(10))) func itIsToldHowAChildEnded() throws {
    #expect(end(of: try start("exit 7")) == .exited(7))
    #expect(end(of: try start("kill -9 $$")) == .signalled(SIGKILL))
  }

  @Test(.timeLimit(.minutes(10))) func aChildIsFoundByItsEnvironmentWhileItRuns() throws {
    let mark = "MARTINET_TEST_MARK=\(getpid())-\(UInt64.random(in: 0 ... .max))"
    let child = try start("exec sleep 1000", environment: ["PATH=/usr/bin:/bin", mark])
    #expect(ChildProcess.end(of: child) == nil)
    // Until the shell has become what it shall be.
    while SystemFiles.processes(with: mark) != [child] { usleep(1000) }
    #expect(SystemFiles.processes(with: String(mark.dropLast())) == [])
    kill(child, SIGKILL)
    #expect(end(of: child) == .signalled(SIGKILL))
    #expect(SystemFiles.processes(with: mark) == [])
  }

  @Test func oneVariableIsLeftOut() {
    let all = ChildProcess.environment()
    #expect(all.contains { $0.hasPrefix("PATH=") })
    #expect(ChildProcess.environment(without: "PATH") == all.filter { !$0.hasPrefix("PATH=") })
    #expect(ChildProcess.environment(without: "PAT") == all)
  }

  @Test func filesAndFoldersThatCannotBeReadHoldNothing() throws {
    #expect(SystemFiles.bytes("/proc/none") == nil && SystemFiles.bytes("/proc") == nil)
    #expect(SystemFiles.names(in: "/proc/none") == [] && SystemFiles.numbers(in: "/proc").contains(getpid()))
    let folder = TemporaryFolder()
    let file = folder.write([UInt8](repeating: 65, count: 100_000), as: "file")
    #expect(SystemFiles.names(in: folder.path) == ["file"])
    #expect(SystemFiles.text(file) == String(repeating: "A", count: 100_000))
    #expect((1...(1 << 14)).contains(try #require(SystemFiles.bytes(file, limit: 1)).count))
  }
}
