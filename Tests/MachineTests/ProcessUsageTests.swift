import Foundation
import Testing

@testable import Machine

@Suite struct ProcessUsageTests {
  @Test func thisProcessIsFoundInWhatTheKernelTells() throws {
    let before = ProcessUsage()
    let (resident, virtual) = (try #require(before.residentBytes), try #require(before.virtualBytes))
    #expect(resident > 1 << 20 && resident < virtual)
    #expect(try #require(before.cpuSeconds) > 0)
    let age = Date().timeIntervalSince1970 - (try #require(before.startTime))
    #expect((-2...86_400).contains(age))
    let files = try (0..<8).map { _ in try #require(FileHandle(forReadingAtPath: "/dev/null")) }
    #expect(try #require(ProcessUsage().openFiles) >= 8)
    _ = files
  }

  @Test func whatTheKernelDoesNotTellIsNotMadeUp() {
    #expect(
      ProcessUsage(files: HostFiles(root: "/proc/self/fdinfo")) == ProcessUsage(files: HostFiles(root: "/dev/null")))
    #expect(ProcessUsage(files: HostFiles(root: "/dev/null")).residentBytes == nil)
  }

  @Test func theLimitOfFilesIsRaisedAsFarAsItMay() throws {
    var limit = rlimit()
    #expect(getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0)
    let raised = try FileLimit.raise()
    #expect(raised == max(Int(clamping: limit.rlim_cur), min(Int(clamping: limit.rlim_max), FileLimit.most)))
    #expect(ProcessUsage().fileLimit == raised)
  }
}
