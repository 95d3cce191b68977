import { useMemo, useState } from "react";
import { useActions, useCall } from "../call/useCall.ts";
import { Button } from "../components/Button.tsx";
import { TextField } from "../components/TextField.tsx";
import { useLanguage } from "../i18n/Language.tsx";
import { useT } from "../i18n/useT.ts";
import { CopyLink } from "./CopyLink.tsx";
import { HostSwitches } from "./HostSwitches.tsx";
import { PersonRow } from "./PersonRow.tsx";
import { sorted } from "./person.ts";
import { WaitingList } from "./WaitingList.tsx";

/** From this many people on one looks for somebody by name. */
const many = 12;

/** Who is here and who is at the door; for hosts, what may be done about it. */
export function PeoplePanel() {
	const t = useT();
	const { locale } = useLanguage();
	const people = useCall(s => s.people);
	const { act } = useActions();
	const [wanted, setWanted] = useState("");
	const list = useMemo(() => sorted([...people.values()], locale), [people, locale]);
	const plain = (text: string) => text.normalize("NFD").replace(/\p{M}/gu, "").toLocaleLowerCase(locale);
	const found = wanted.trim() ? list.filter(p => plain(p.name).includes(plain(wanted.trim()))) : list;
	return (
		<>
			<div className="min-h-0 grow overflow-y-auto overscroll-contain py-2">
				<WaitingList />
				{list.length >= many && (
					<TextField
						className="px-4 pb-2"
						label={t("room.people.find")}
						onChange={setWanted}
						type="search"
						value={wanted}
					/>
				)}
				<ul aria-label={t("room.people.short")}>
					{found.map(p => (
						<PersonRow key={p.id} person={p} />
					))}
				</ul>
				{found.length === 0 && <p className="px-4 py-6 text-center text-muted text-sm">{t("room.people.nobody")}</p>}
			</div>
			<footer className="grid gap-2 border-line border-t p-3 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
				{act.lock && <HostSwitches />}
				<div className="flex flex-wrap gap-2 *:grow">
					<CopyLink />
					{act.lock && (
						<Button icon="mic-off" onClick={act.muteAll} size="sm">
							{t("room.act.muteAll")}
						</Button>
					)}
				</div>
			</footer>
		</>
	);
}
