/** What a host needs to know to use a volume. */
export interface Connection {
  readonly targetName: string;
  /** "ADDRESS:PORT" of each server. */
  readonly portals: readonly string[];
  readonly iqns: readonly string[];
  readonly chapUser: string | null;
  readonly lun: number;
}
export interface Step {
  readonly title: string;
  readonly text?: string;
  readonly code: string;
}
export type System = "linux" | "vmware" | "windows";

/** What the initiator's name tells of the host. */
export function systemOf(iqns: readonly string[]): System {
  const [first = ""] = iqns;
  if (first.includes("com.vmware")) return "vmware";
  return first.includes("com.microsoft") ? "windows" : "linux";
}

/** Secrets are never told back, so the administrator puts it in. */
const SECRET = "CHAP-SECRET";

/** The steps on the host, to be copied. Every portal is a path, and all paths serve at the same time. */
export function connectSteps(system: System, connection: Connection): readonly Step[] {
  switch (system) {
    case "linux":
      return linux(connection);
    case "vmware":
      return vmware(connection);
    case "windows":
      return windows(connection);
  }
}

function addressAndPort(portal: string): { readonly address: string; readonly port: string } {
  const colon = portal.lastIndexOf(":");
  return { address: portal.slice(0, colon).replace(/^\[|\]$/g, ""), port: portal.slice(colon + 1) };
}

function linux({ targetName, portals, iqns, chapUser, lun }: Connection): Step[] {
  const node = `iscsiadm -m node -T ${targetName}`;
  return [
    {
      title: "Install the initiator and multipath",
      text: "The first line on Debian and Ubuntu, the others on Red Hat, Rocky and Alma.",
      code: "apt install open-iscsi multipath-tools\n\ndnf install iscsi-initiator-utils device-mapper-multipath\nmpathconf --enable",
    },
    {
      title: "Use the name that VirtuStor knows this host by",
      ...(iqns.length > 1 ? { text: `This host has ${iqns.length} names here; each machine needs its own.` } : {}),
      code: `echo "InitiatorName=${iqns[0] ?? "IQN"}" > /etc/iscsi/initiatorname.iscsi\nsystemctl restart iscsid`,
    },
    {
      title: "Treat all servers as paths to one disk",
      code: `cat > /etc/multipath/conf.d/virtustor.conf <<'END'\ndevices {\n  device {\n    vendor "VIRTUSTO"\n    product "VIRTUAL-DISK"\n    path_grouping_policy multibus\n    path_selector "service-time 0"\n    no_path_retry 24\n  }\n}\nEND\nsystemctl restart multipathd`,
    },
    {
      title: "Find the target and log in on every server",
      code: [
        `iscsiadm -m discovery -t sendtargets -p ${portals[0] ?? "ADDRESS:3260"}`,
        ...(chapUser === null ? [] : [`${node} -o update -n node.session.auth.authmethod -v CHAP`, `${node} -o update -n node.session.auth.username -v '${chapUser}'`, `${node} -o update -n node.session.auth.password -v '${SECRET}'`]),
        `${node} -o update -n node.session.timeo.replacement_timeout -v 5`,
        `${node} -o update -n node.startup -v automatic`,
        `${node} --login`,
      ].join("\n"),
    },
    { title: "See the disk", text: `It is LUN ${lun}, one disk with ${portals.length} paths. Use the name that multipath gives it.`, code: "multipath -ll\nls -l /dev/disk/by-path | grep lun-" + String(lun) },
  ];
}

function vmware({ portals, iqns, chapUser, lun }: Connection): Step[] {
  return [
    { title: "Switch the software iSCSI adapter on", text: "In the shell of the ESXi host; the second command names the adapter, vmhba64 below.", code: "esxcli iscsi software set --enabled=true\nesxcli iscsi adapter list" },
    { title: "Use the name that VirtuStor knows this host by", code: `esxcli iscsi adapter set --adapter=vmhba64 --name=${iqns[0] ?? "IQN"}` },
    {
      title: "Use all paths in turn",
      text: "Before the first rescan, so that it holds for every disk of VirtuStor.",
      code: 'esxcli storage nmp satp rule add --satp=VMW_SATP_ALUA --claim-option=tpgs_on --vendor=VIRTUSTO --model=VIRTUAL-DISK --psp=VMW_PSP_RR --psp-option="iops=1" --description="VirtuStor"',
    },
    ...(chapUser === null ? [] : [{ title: "Give the CHAP secret", code: `esxcli iscsi adapter auth chap set --adapter=vmhba64 --direction=uni --level=required --authname='${chapUser}' --secret='${SECRET}'` }]),
    {
      title: "Add every server and look for disks",
      code: [...portals.map((portal) => `esxcli iscsi adapter discovery sendtarget add --adapter=vmhba64 --address=${portal}`), "esxcli storage core adapter rescan --adapter=vmhba64"].join("\n"),
    },
    { title: "See the paths", text: `The disk is LUN ${lun}. In vSphere, make a datastore (VMFS 6) on it: Storage, New Datastore.`, code: "esxcli storage nmp device list | grep -A8 VIRTUSTO\nesxcli storage core path list | grep -B2 -A12 VIRTUSTO" },
  ];
}

function windows({ targetName, portals, iqns, chapUser, lun }: Connection): Step[] {
  const chap = chapUser === null ? "" : ` -AuthenticationType ONEWAYCHAP -ChapUsername '${chapUser}' -ChapSecret '${SECRET}'`;
  return [
    { title: "Switch MPIO on", text: "In PowerShell as administrator; Windows Server restarts once.", code: "Install-WindowsFeature -Name Multipath-IO -Restart" },
    {
      title: "Let MPIO take iSCSI disks, all paths in turn",
      code: "Enable-MSDSMAutomaticClaim -BusType iSCSI\nSet-MSDSMGlobalDefaultLoadBalancePolicy -Policy RR\nSet-Service -Name MSiSCSI -StartupType Automatic\nStart-Service -Name MSiSCSI",
    },
    { title: "Use the name that VirtuStor knows this host by", code: `Set-InitiatorPort -NodeAddress (Get-InitiatorPort -ConnectionType iSCSI).NodeAddress -NewNodeAddress '${iqns[0] ?? "IQN"}'` },
    {
      title: "Connect to every server",
      code: portals
        .map(addressAndPort)
        .flatMap(({ address, port }) => [
          `New-IscsiTargetPortal -TargetPortalAddress ${address} -TargetPortalPortNumber ${port}`,
          `Connect-IscsiTarget -NodeAddress ${targetName} -TargetPortalAddress ${address} -TargetPortalPortNumber ${port} -IsPersistent $true -IsMultipathEnabled $true${chap}`,
        ])
        .join("\n"),
    },
    { title: "Bring the disk online", text: `It is LUN ${lun}, shown once; its number stands in the first column.`, code: "Get-Disk | Where-Object BusType -eq iSCSI\n# then, with its number in the place of 1:\nInitialize-Disk -Number 1 -PartitionStyle GPT\nNew-Partition -DiskNumber 1 -UseMaximumSize -AssignDriveLetter | Format-Volume -FileSystem NTFS" },
  ];
}
