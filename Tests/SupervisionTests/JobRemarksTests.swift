import Machine
import Testing

@testable import Supervision

/// What jobs printed and how they ended, as recorded, and what a person is told of it.
@Suite struct JobRemarksTests {
  struct Recording: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    var end = JobEnd.exited(1)
    let reason: String
    var testDescription: String { name }
  }

  private static let rule = String(repeating: "-", count: 74)
  private static let leaving = "martinet: \(EngineLink.endOfInput): the job ends"
  private static let aborted = """
    \(rule)
    Primary job  terminated normally, but 1 process returned
    a non-zero exit code. Per user-direction, the job has been aborted.
    \(rule)
    """
  private static let daemons = """
    \(rule)
    ORTE was unable to reliably start one or more daemons.
    This usually is caused by:

    * not finding the required libraries and/or binaries on
      one or more nodes. Please check your PATH and LD_LIBRARY_PATH
      settings, or configure OMPI with --enable-orterun-prefix-by-default

    *  compilation of the orted with dynamic libraries when static are required
      (e.g., on Cray). Please check your configure cmd line and consider using
      one of the contrib/platform definitions for your system type.
    \(rule)
    """

  private static let detected = """

    \(rule)
    mpirun detected that one or more processes exited with non-zero status, thus causing
    the job to be terminated. The first process to do so was:

      Process name: [[10227,1],1]
      Exit code:    3
    \(rule)
    """

  static let recordings: [Recording] = [
    Recording(
      name: "not enough slots",
      text: """
        \(rule)
        There are not enough slots available in the system to satisfy the 99
        slots that were requested by the application:

          martinet

        Either request fewer slots for your application, or make more slots
        available for use.

        Alternatively, you can use the --oversubscribe option to ignore the
        number of available slots when deciding the number of processes to
        launch.
        \(rule)
        """,
      reason:
        """
        mpirun has not enough slots for 99 ranks: name more hosts or slots (--hostfile, --host HOST:SLOTS), ask \
        for fewer, or give --oversubscribe
        """
    ),
    Recording(
      name: "missing program",
      text: """
        \(rule)
        mpirun was unable to launch the specified application as it could not access
        or execute an executable:

        Executable: /nowhere/martinet
        Node: n2

        while attempting to start process rank 1.
        \(rule)
        2 total processes failed to start
        """,
      end: .exited(132),
      reason: "/nowhere/martinet cannot be started on host n2: it is not there, or nobody may execute it"),
    Recording(
      name: "a rank's own words",
      text: "martinet: a note\nmartinet: failed: rank 1 (n1): the disk is full\n" + aborted + detected,
      end: .exited(3), reason: "rank 1 (n1): the disk is full"),
    Recording(
      name: "the cause comes before what follows from it",
      text: "martinet: failed: rank 1 (n1): the cause\nmartinet: failed: rank 0 (n0): MPI_Wait failed\n" + aborted,
      reason: "rank 1 (n1): the cause"),
    Recording(
      name: "an exit code alone",
      text: aborted + detected,
      end: .exited(3), reason: "rank 1 ended with exit code 3"),
    Recording(
      name: "a script's words and an exit code",
      text:
        "martinet: a note\nstart.sh: line 3: MODEL: unbound variable\n[n1:7] a warning\nmpirun: Forwarding signal 10 to job\n"
        + aborted + detected,
      reason: "rank 1 ended with exit code 3: start.sh: line 3: MODEL: unbound variable"),
    Recording(
      name: "a script's words alone", text: "start.sh: line 3: MODEL: unbound variable\n" + aborted,
      reason: "start.sh: line 3: MODEL: unbound variable"),
    Recording(
      name: "an end and no words", text: "martinet: ready\n" + aborted + "\n\(leaving)\n",
      reason: "mpirun ended with status 1"),
    Recording(
      name: "a help text after news of an end",
      text: aborted + "\n\(rule)\nA thing nobody has heard of has\nhappened.\n\(rule)\n",
      reason: "A thing nobody has heard of has happened."),
    Recording(
      name: "a rank killed by a signal",
      text: "martinet: ready\n" + aborted + """

        \(rule)
        mpirun noticed that process rank 1 with PID 0 on node vm exited on signal 11 (Segmentation fault).
        \(rule)
        \(leaving)
        """,
      end: .exited(139), reason: "rank 1 on host vm ended by signal 11 (Segmentation fault)"),
    Recording(
      name: "mpirun killed",
      text:
        "martinet: ready\n\(leaving)",
      end: .signalled(9), reason: "mpirun was killed by signal 9 (Killed)"),
    Recording(
      name: "nothing but ready", text: "martinet: ready\n", end: .exited(1), reason: "mpirun ended with status 1"),
    Recording(name: "nothing at all", text: "", end: .exited(7), reason: "mpirun ended with status 7"),
    Recording(
      name: "no route to a host", text: "ssh: connect to host n1 port 22: No route to host\n" + daemons,
      reason: "host n1 cannot be reached: No route to host"),
    Recording(
      name: "no host of this name", text: "ssh: Could not resolve hostname n9: Name or service not known\n" + daemons,
      reason: "host n9 cannot be reached: its name is not known"),
    Recording(
      name: "a login refused", text: "root@n1: Permission denied (publickey,password).\n" + daemons,
      reason: "a host does not let mpirun in: root@n1: Permission denied (publickey,password)."),
    Recording(
      name: "no Open MPI there", text: "bash: line 1: orted: command not found\n" + daemons,
      reason: "a host has no Open MPI where mpirun looks for it: bash: line 1: orted: command not found"),
    Recording(
      name: "daemons without a word of ssh", text: daemons,
      reason:
        """
        mpirun could not start its daemon on another host: can `ssh HOST orted --version` be run there without a \
        question?
        """
    ),
    Recording(
      name: "a host lost",
      text: """
        martinet: ready
        \(rule)
        ORTE has lost communication with a remote daemon.

          HNP daemon   : [[10084,0],0] on node vm
          Remote daemon: [[10084,0],2] on node n2

        This is usually due to either a failure of the TCP network
        connection to the node, or possibly an internal failure of
        the daemon itself. We cannot recover from this failure, and
        therefore will terminate the job.
        \(rule)
        """,
      end: .exited(205), reason: "the connection to host n2 was lost"),
    Recording(
      name: "host file",
      text:
        """
        \(rule)\nOpen RTE was unable to open the hostfile:\n    /nowhere\nCheck to make sure the path and filename \
        are correct.\n\(rule)\n\(rule)\nAn internal error has occurred in ORTE:
        """,
      reason: "mpirun cannot open the host file /nowhere"),
    Recording(
      name: "unknown option", text: "mpirun: Error: unknown option \"--nonsense\"\n",
      reason: #"mpirun: Error: unknown option "--nonsense""#),
    Recording(
      name: "a library missing",
      text: "/opt/martinet: error while loading shared libraries: libnuma.so.1: cannot open shared object file\n"
        + aborted,
      end: .exited(127),
      reason: "/opt/martinet: error while loading shared libraries: libnuma.so.1: cannot open shared object file"),
    Recording(
      name: "srun",
      text:
        """
        srun: error: n3: task 1: Killed\nsrun: Terminating StepId=12.0\nslurmstepd: error: *** STEP 12.0 ON n1 \
        CANCELLED ***
        """,
      end: .exited(137), reason: "rank 1 on host n3 ended: Killed"),
    Recording(
      name: "srun refused", text: "srun: error: Unable to allocate resources: Invalid partition name specified\n",
      reason: "srun: Unable to allocate resources: Invalid partition name specified"),
    Recording(
      name: "an unknown help text",
      text: "\(rule)\nA thing nobody has heard of has\nhappened on the moon.\n\nDo this and that.\nLast line.\n\(rule)",
      reason: "A thing nobody has heard of has happened on the moon."),
  ]

  @Test(arguments: recordings) func theTrueReasonIsTold(_ recording: Recording) {
    var remarks = JobRemarks()
    for line in recording.text.split(separator: "\n", omittingEmptySubsequences: false) { remarks.add(String(line)) }
    #expect(remarks.reason(recording.end, of: "mpirun") == recording.reason)
  }

  @Test func aReasonIsShortAndALineOfFailureIsShownWithoutItsMark() {
    var remarks = JobRemarks()
    remarks.add("martinet: failed: " + String(repeating: "x", count: 5000))
    #expect(remarks.reason(.exited(1), of: "mpirun").count == 401)
    #expect(JobRemarks.shown("martinet: failed: no disk") == "martinet: no disk")
    #expect(JobRemarks.shown("something else") == "something else")
  }
}
